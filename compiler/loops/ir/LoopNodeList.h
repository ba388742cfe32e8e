// compiler/loops/ir/LoopNodeList.h — the nodes that make a value of values, one row each: how they are written, what they take and give.
//
// A new node is a row here, a case in LoopInterpreter.cpp and one in codegen/IrNodes.cpp (and a rule in LoopNodes.cpp where none of those
// there says what it takes). Printer, parser, verifier and builders read the row. Functions of one float are op/activations/; these and
// rows of notation Maths, which have a case in MathFunctions::emit instead, are gone after ExpandMaths.
#pragma once

#include "compiler/ActivationList.h"

#include <cstdint>

/// X(name in LoopOp, as it is written, arity, Notation, rule, what a level must have, its name)
///
/// Notation  Infix (a + b); Call fma(a, b, c); Lanes broadcast16(a): the result's lanes; Pattern shuffle(a, b; 0 2 4); Table
/// rule      what it takes and gives (LoopNodes.cpp). floats: f32 or f64, all alike; arithmetic: those, i32, i64; bits, bitsOnly: integers
///           (and masks); comparison: gives a mask; choice: a mask and two alike; folded: f32 lanes to one; to...: casts
/// the level's: a flag of IsaLevel (target/Target.h) without which no program may have it
#define QUERN_LOOP_NODES(X) \
  X(Neg, "neg", 1, Call, floats, nullptr, "") \
  X(Abs, "abs", 1, Call, floats, nullptr, "") \
  X(Sqrt, "sqrt", 1, Call, floats, nullptr, "") \
  X(Add, "+", 2, Infix, arithmetic, nullptr, "") \
  X(Sub, "-", 2, Infix, arithmetic, nullptr, "") \
  X(Mul, "*", 2, Infix, arithmetic, nullptr, "") \
  X(Div, "/", 2, Infix, quotient, nullptr, "") /* of i64: of values not below 0 */ \
  X(Rem, "%", 2, Infix, remainder, nullptr, "") /* of values not below 0 */ \
  X(Max, "max", 2, Call, arithmetic, nullptr, "") /* a > b ? a : b, NaN if either is */ \
  X(Min, "min", 2, Call, arithmetic, nullptr, "") /* a < b ? a : b, NaN if either is */ \
  X(Pow, "pow", 2, Maths, mathsCall, nullptr, "") /* a^b as C99 has it */ \
  X(And, "&", 2, Infix, bits, nullptr, "") \
  X(Or, "|", 2, Infix, bits, nullptr, "") \
  X(Xor, "^", 2, Infix, bitsOnly, nullptr, "") \
  X(Shl, "<<", 2, Infix, shift, nullptr, "") \
  X(Ashr, ">>", 2, Infix, shift, nullptr, "") \
  X(Lshr, ">>>", 2, Infix, shift, nullptr, "") \
  X(Lt, "<", 2, Infix, comparison, nullptr, "") /* of f32: false on NaN, as the next two */ \
  X(Le, "<=", 2, Infix, comparison, nullptr, "") \
  X(Eq, "==", 2, Infix, comparison, nullptr, "") \
  X(Ne, "!=", 2, Infix, comparison, nullptr, "") /* true on NaN */ \
  X(ToF32, "f32", 1, Call, toFloat, nullptr, "") \
  X(ToF64, "f64", 1, Call, toDouble, nullptr, "") \
  X(ToI32, "i32", 1, Call, toWord, nullptr, "") \
  X(ToI64, "i64", 1, Call, toIndex, nullptr, "") \
  X(TruncI32, "trunc_i32", 1, Call, truncWord, nullptr, "") /* toward 0; beyond its ends those, 0 of NaN */ \
  X(TruncI64, "trunc_i64", 1, Call, truncIndex, nullptr, "") \
  X(BitsF32, "bits_f32", 1, Call, bitsToFloat, nullptr, "") \
  X(BitsI32, "bits_i32", 1, Call, floatToWord, nullptr, "") \
  X(HalfF32, "half_f32", 1, Call, halfToFloat, &IsaLevel::halves, "half precision") /* an IEEE half in the low bits of an i32, exactly */ \
  X(F32Half, "f32_half", 1, Call, floatToWord, &IsaLevel::halves, "half precision") /* to nearest even */ \
  X(Fma, "fma", 3, Call, floats, &IsaLevel::fma, "fma") /* a * b + c, rounded once */ \
  X(Select, "select", 3, Call, choice, nullptr, "") /* a ? b : c */ \
  X(Broadcast, "broadcast", 1, Lanes, everyLane, nullptr, "") /* a in every lane */ \
  X(Mask, "mask", 1, Lanes, lanesBelow, nullptr, "") /* lane i is on iff i < a */ \
  X(ReduceAdd, "reduce_add", 1, Call, folded, nullptr, "") /* halves folded: v[i] op v[i + lanes/2], ... until one is left */ \
  X(ReduceMax, "reduce_max", 1, Call, folded, nullptr, "") \
  X(ReduceMin, "reduce_min", 1, Call, folded, nullptr, "") \
  X(Shuffle, "shuffle", 2, Pattern, shuffled, nullptr, "") /* lane i is lane pattern[i] of a followed by b */ \
  X(Lookup, "lookup", 1, Table, looked, nullptr, "") /* table[a modulo the table's size], lane by lane */ \
  X(LookupBytes, "lookup_bytes", 1, Table, lookedBytes, nullptr, "") /* of an i32 each byte: table[byte modulo 16], 0 from 128 on */ \
  X(BytesU8, "bytes_u8", 1, Call, plainBytes, nullptr, "") /* the four bytes of each i32, the lowest first, as lanes of u8 */ \
  X(BytesI8, "bytes_i8", 1, Call, signedBytes, nullptr, "") /* as lanes of i8 */ \
  X(BytesU7, "bytes_u7", 1, Call, plainBytes, nullptr, "") /* as lanes of u8, the low seven bits of each */ \
  X(BytesS7, "bytes_s7", 1, Call, signedBytes, nullptr, "") /* as lanes of i8, none of them -128: dots of both are short without vnni */ \
  X(FmaFlushed, "fma_flushed", 3, Call, flushedFloats, nullptr, "") /* fma; below 2^-126 in size is 0, arguments and result */ \
  X(AddFlushed, "add_flushed", 2, Call, flushedFloats, nullptr, "") /* a + b, the same way; both in flushed blocks only */ \
  X(DotPairs, "dot_pairs", 3, Call, pairsDotted, nullptr, "") /* of bf16, two in an i32: the high ones onto a, then the low */ \
  X(Dot4, "dot4", 3, Call, bytesDotted, nullptr, "") /* a + the sum over four neighbours of b times c, modulo 2^32 */ \
  X(ShortDots, "short_dots", 2, Call, dotsInHalves, nullptr, "") /* of four products two sums of neighbours, cut to 16 bits */ \
  X(AddHalves, "add_halves", 2, Call, halves, nullptr, "") /* of i32 the lower and the upper 16 bits by themselves, modulo 2^16 */ \
  X(SumHalves, "sum_halves", 2, Call, halves, nullptr, "") /* a + the two numbers of 16 bits in b, modulo 2^32 */

namespace quern {

enum class LoopOp : uint8_t {
  None,
#define QUERN_NODE(Name, ...) Name,
  QUERN_LOOP_NODES(QUERN_NODE)
#undef QUERN_NODE
#define QUERN_NODE(Name) Name,
  QUERN_ACTIVATIONS(QUERN_NODE)
#undef QUERN_NODE
};

}  // namespace quern
