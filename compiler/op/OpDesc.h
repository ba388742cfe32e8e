// compiler/op/OpDesc.h — the list of ops, and what every op description can do. How to add one: README.md.
#pragma once

#include "compiler/op/AttentionOp.h"
#include "compiler/op/CastOp.h"
#include "compiler/op/EmbeddingOp.h"
#include "compiler/op/MapOp.h"
#include "compiler/op/MatmulOp.h"
#include "compiler/op/NormOp.h"
#include "compiler/op/ReduceOp.h"
#include "compiler/op/RopeOp.h"
#include "compiler/op/SoftmaxOp.h"
#include "compiler/op/TransposeOp.h"

#include <variant>

namespace quern {

/// Every op: what the rooms above declare for each (referenceOf, buildLoops). A new one is a word here and an include above.
#define QUERN_OPS(First, Other)                                                                                                           \
  First(MatmulOp) Other(MapOp) Other(SoftmaxOp) Other(ReduceOp) Other(LayerNormOp) Other(RmsNormOp) Other(EmbeddingOp) Other(TransposeOp) \
      Other(RopeOp) Other(CastOp) Other(AttentionOp)

#define QUERN_FIRST(Op) Op
#define QUERN_OTHER(Op) , Op
/// WHAT to compute, as a value. parse(text(x)) == x.
using OpDesc = std::variant<QUERN_OPS(QUERN_FIRST, QUERN_OTHER)>;
#undef QUERN_FIRST
#undef QUERN_OTHER

/// Parses and validates. Errors: BadCommand naming op, key, value and what would be right.
Result<OpDesc> parseOp(std::string_view text);
Result<OpDesc> opFromKeys(const KeyValues& keys);
/// As parseOp, with dimension keys that are missing taken from the arrays' shapes, and cast's from= from their types where those are given.
Result<OpDesc> parseOpFor(std::string_view text, std::span<const std::vector<int64_t>> shapes, std::span<const ElementType> types = {});

std::string text(const OpDesc& op);
std::string_view nameOf(const OpDesc& op);
OpClass classOf(const OpDesc& op);
std::vector<TensorSpec> inputsOf(const OpDesc& op);
TensorSpec outputOf(const OpDesc& op);

/// The op with its result handed on as `type`. Nothing where it cannot.
std::optional<OpDesc> handingOn(OpDesc op, ElementType type);
/// What the first input may arrive as without another bit in the result, f32 where that is all; and the op that it arrives so at.
ElementType mayArriveAs(const OpDesc& op);
OpDesc arrivingAs(OpDesc op, ElementType type);

/// Whether its functions have the one form of all levels with fma, not the level's quickest.
bool commonMathsOf(const OpDesc& op);

/// Dimensions known only at call time, in the order a kernel takes them.
std::vector<std::string> runtimeDims(const OpDesc& op);
/// The op with every run-time dimension bound. `values` holds all of them.
OpDesc fixed(const OpDesc& op, const DimValues& values);
/// The op with every dimension that may be dynamic made so: what size ladders are run on.
OpDesc withRuntimeDims(const OpDesc& op);
/// Binds run-time dimensions from the shapes of the inputs.
/// Errors   BadInput: an array whose rank or dimension disagrees with the op.
Result<DimValues> bindDims(const OpDesc& op, std::span<const std::vector<int64_t>> shapes);

/// Floating point operations and the bytes that must move once; all dimensions known.
double flopsOf(const OpDesc& op);
double minBytesOf(const OpDesc& op);

/// Name, keys and meaning of every op and spelling, for `quern ops`.
struct OpListing {
  std::string name, keys, meaning, inputs;
};
std::vector<OpListing> listOps();

}  // namespace quern
