// compiler/loops/ir/LoopProgram.h — the loop IR, and its manual: what a kernel does, with every tile, lane and fma explicit.
//
// A program is buffers, run-time dimensions, and one to three phases of independent tasks. Between phases there is a
// barrier. It prints (LoopPrinter.h), parses (LoopParser.h), verifies (LoopVerifier.h), runs without LLVM
// (LoopInterpreter.h) and is emitted (codegen/): interpreter and native code agree bit for bit.
//
//   loops "rows of A [m, 24] times a vector, and a ninth of what is above 1"
//   isa x86-64-v3
//   dim m
//   stride A_s0
//   buffer A : f32 in [m, 24] strides [A_s0, 1]
//   buffer x : f32 in [24] strides [1]
//   buffer out : f32 out [m] strides [1]
//   phase t tasks ((m + 3) / 4) {
//     for i = (t * 4) to min(((t * 4) + 4), m) {
//       reg acc[1] : f32x8 = 0fx8
//       unroll k = 0 to 24 step 8 {
//         set acc[0] = fma(A[i, k]:8, x[k]:8, acc[0])
//       }
//       let sum = reduce_add(acc[0])
//       if (1f < sum) {
//         store out[i] = (sum / 9f)
//       } else {
//         store out[i] = sum
//       }
//     }
//   }
//
// Loads and stores of lanes: A[i, k]:8, masked(A[i, k]:8, mask8(n)), store out[i] = v if mask. Roles of buffers: in, out, inout, packed,
// shared, thread. Hints: prefetch B[k, j] (prefetch_l2: no nearer than L2), stream out[i] = v (a store past the caches).
//
// Matrix tiles are registers of up to 16 rows of up to 16 words of 4 bytes; a block says how large those are that it has, which begin as 0:
//
//   tiles 16x16 16x16 16x16 {
//     tile_load 0 = sums[i, j]         rows along the last dimension but one, words along the last; the whole tile lies in the buffer
//     tile_load 1 = pairs[i, k]
//     tile_load 2 = B[k, j]
//     tile_dot 0 = pairs(1, 2)         each sum of tile 0 goes on by a row of tile 1 times a column of tile 2, pairs of bf16 (order=tile32)
//     tile_dot 0 = bytes(1, 2)         the same of four bytes in a word, tile 1's with a sign, tile 2's without: i32, modulo 2^32
//     tile_store sums[i, j] = 0
//     tile_zero 0
//   }
#pragma once

#include "compiler/loops/ir/LoopNodeList.h"
#include "compiler/target/Contract.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// What lanes are and what lies in memory. bool is a mask's lane, of which nothing lies in memory; an index is an i64.
enum class Scalar : uint8_t { Bool, I8, U8, I16, U16, F16, BF16, I32, I64, F32, F64 };

inline constexpr int kMaxLanes = 64;

/// A scalar (lanes 1) or a vector of at most kMaxLanes lanes. Arithmetic is of i32, i64, f32 and f64.
struct LoopType {
  Scalar scalar = Scalar::I64;
  int lanes = 1;
  bool operator==(const LoopType&) const = default;
};

struct LoopExpr;
using LoopExprRef = std::shared_ptr<const LoopExpr>;

/// A value. Immutable; trees share subtrees freely.
struct LoopExpr {
  enum class Kind : uint8_t {
    Const,   ///< number (f32) or integer, in every lane
    Var,     ///< id: a dimension, stride, task, loop or let variable
    Load,    ///< buffer id at args (one index per dimension); lanes > 1: consecutive along the last. `masked`: the
             ///< last arg is a mask, lanes that are off read nothing and give 0. From a buffer of u8, `stored` may be
             ///< anything, from one of two bytes an element i32: the last index is then where it begins, in the buffer's
             ///< elements. The type is valueOf(stored) or `stored` itself
    RegGet,  ///< register array id at args, which are constant once unrolled loops are
    ToLine,  ///< i64: elements from buffer id at args to the next 64 bytes' beginning, 0 where one is; reads nothing
    Op,      ///< op of args
  };
  Kind kind = Kind::Const;
  LoopType type;
  LoopOp op = LoopOp::None;
  Scalar stored = Scalar::F32;  ///< of Load
  bool masked = false;
  int id = -1;
  int64_t integer = 0;
  float number = 0;
  std::vector<LoopExprRef> args;
  std::vector<int> pattern;
  std::vector<float> table;
};

/// Of a matrix tile.
struct TileShape {
  static constexpr int kMostRows = 16, kMostWords = 16, kMostTiles = 8;
  int rows = kMostRows, words = kMostWords;
  bool operator==(const TileShape&) const = default;
};

/// What a dot of matrix tiles multiplies, and how that is written.
enum class TileDot : uint8_t {
  Pairs,  ///< of bf16, in order=tile32
  Bytes,  ///< with a sign by such without
};
struct TileDotKind {
  std::string_view name, feature;
};
inline constexpr TileDotKind kTileDots[] = {{"pairs", "amx-bf16"}, {"bytes", "amx-int8"}};

/// A step. Blocks are vectors of statements; names are unique in a program and scoped to their block.
struct LoopStmt {
  enum class Kind : uint8_t {
    For,        ///< id from args[0] to below args[1], step args[2]; unrolled: repeated at emission, constant bounds
    Let,        ///< id = args[0], once
    Store,      ///< buffer id at args[1..rank] = args[0]; `masked`: the last arg is a mask; `past`: a whole vector, past the caches
                ///< where its address is a multiple of its size
    Reg,        ///< declares register array id, every element args[0]
    Set,        ///< register array id at args[1..] = args[0]
    If,         ///< args[0] scalar Bool ? body : otherwise
    Flushed,    ///< body, in which the nodes are allowed that take numbers below 2^-126 in size for 0, whatever the caller's state is
    Prefetch,   ///< the line of buffer id at args, to be read; never faults; `past`: into L2, past L1
    Tiles,      ///< body, which has tiles 0, 1, ... of `shapes`, 0 at first; not within another
    TileZero,   ///< tiles[0] = 0
    TileLoad,   ///< tiles[0] = what buffer id has from args on
    TileStore,  ///< buffer id from args on = tiles[0]
    TileDot,    ///< tiles[0] goes on by tiles[1] times tiles[2], which are of what `dot` says
  };
  Kind kind = Kind::Let;
  bool unrolled = false;
  bool masked = false;
  bool past = false;
  int id = -1;
  std::vector<LoopExprRef> args;
  std::vector<LoopStmt> body, otherwise;
  std::vector<TileShape> shapes;
  std::vector<int> tiles;
  TileDot dot = TileDot::Pairs;
};

enum class BufferRole : uint8_t { In, Out, InOut, Packed, SharedScratch, ThreadScratch };

/// Memory. In, Out, InOut: the caller's tensors in KernelInfo order. Packed: a weight in the layout KernelInfo names.
/// The verifier and the interpreter hold every access against `shape`: there is no reading past it.
struct LoopBuffer {
  std::string name;
  Scalar element = Scalar::F32;
  BufferRole role = BufferRole::In;
  std::vector<LoopExprRef> shape;
  std::vector<LoopExprRef> strides;  ///< elements, one per dimension; the last is 1

  bool isScratch() const { return role == BufferRole::SharedScratch || role == BufferRole::ThreadScratch; }
};

struct LoopVar {
  std::string name;
  LoopType type;
};

/// A register array: elements of `type`, dims known at emission, indices constant then.
struct LoopReg {
  std::string name;
  LoopType type;
  std::vector<int> dims;
};

struct LoopPhase {
  LoopExprRef tasks;
  int taskVar = -1;
  std::vector<LoopStmt> body;
};

struct LoopProgram {
  std::string name;               ///< text of op and schedule it was built from
  Contract contract;              ///< what it may use; written "isa x86-64-v4 + avx512vnni"
  std::vector<int> dims;          ///< variables bound to QuernArgs.dims, in order
  std::vector<int> strideParams;  ///< variables bound to QuernArgs.strides, in order
  std::vector<LoopVar> vars;
  std::vector<LoopReg> regs;
  std::vector<LoopBuffer> buffers;
  std::vector<LoopPhase> phases;
};

std::string_view text(Scalar scalar);
std::optional<Scalar> scalarNamed(std::string_view name);
std::string text(LoopType type);
/// Bytes in memory; 0 where none lies there.
int bytesOf(Scalar scalar);
/// What a load gives that asks for no type: u8, u16, f16 and bf16 as an i32 with zeros in front, i8 and i16 with their sign, others as they
/// are. A store of such an i32 keeps its low part.
Scalar valueOf(Scalar stored);
/// Whether a load from a buffer of `held` may have another `stored`.
bool mayBeReadAs(Scalar held, Scalar stored);
std::string_view nameOf(LoopOp op);

/// The value of an integer constant, nullptr for anything else.
const int64_t* constantInt(const LoopExprRef& expr);

}  // namespace quern
