// compiler/op/OpCommon.h — what every op description shares.
#pragma once

#include "compiler/op/Tensor.h"

namespace quern {

/// The way an op walks its data; schedules and search spaces belong to a class, not to a single op.
enum class OpClass : uint8_t { Contraction, Pointwise, RowWise, Movement, Attention };

/// Which columns of row i of an r x c matrix count. LastRowSeesAll: j <= i + (c - r). TopLeft: j <= i.
enum class Causal : uint8_t { No, LastRowSeesAll, TopLeft };

/// What the left operand of a product (A of a matmul, Q of attention) is rounded to before it is multiplied: nothing; bf16; whole numbers
/// and a scale (BlockValues.h), 32 neighbours along k together, or a row; or f32 that is the sum of three bf16 (MatmulOp.h).
enum class RoundedTo : uint8_t { F32, BF16, Q8, I8, F32x3 };

/// How products of bf16 are added up: as TDPBF16PS does, or as VDPBF16PS (MatmulOp.h). Said with a=bf16 and a=f32x3.
enum class PairOrder : uint8_t { Tile32, Pairs };

/// What `quern ops` prints.
struct OpDoc {
  std::string_view keys;
  std::string_view meaning;
  std::string_view inputs;  ///< in the order eval takes them
};

std::string_view causalText(Causal causal);  ///< "", "1", "topleft"
Causal takeCausal(KeyReader& reader);

/// `axis` counted from the front (negative ones from the end), and the check that the rank has it.
size_t axisOf(int axis, size_t rank);
Result<void> checkAxis(std::string_view op, int axis, const Shape& x);

/// x=SHAPE from the first array, where the key is missing: fillFromShapes of every op on one tensor.
void fillX(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);

/// One type of numbers, or one of `also`; f32 where the key is missing.
ElementType takeNumberType(KeyReader& reader, std::string_view key, std::initializer_list<ElementType> also);
/// f32, f16, bf16 or q8_0: what rows are kept as that kernels write and read.
ElementType takeKeptType(KeyReader& reader, std::string_view key);
/// Where rows that `key` says the type of are blocks: whether their last axis, of `given` (x=8x40), is whole ones.
Result<void> checkBlocks(std::string_view op, const std::string& given, std::string_view key, ElementType type, Dim last);

/// The order of products of bf16. Without those, order= is an error; `with` says what it goes with.
PairOrder takePairOrder(KeyReader& reader, RoundedTo a, std::string_view with = "a=bf16");
/// The order, as it is written; a=bf16 in front where nothing is said of a.
void setPairOrder(KeyValues& keys, PairOrder order);

/// What rows of numbers are handed on as: f32, bf16 (rounded to nearest even), q8 (codedBlock of each 32; rows are dense then). f32 where
/// the key is missing.
ElementType takeHandedType(KeyReader& reader, std::string_view key);

/// A scale: finite and above zero, given exactly as a float. 0 in the struct stands for "not given".
float takeScale(KeyReader& reader, std::string_view key = "scale");

}  // namespace quern
