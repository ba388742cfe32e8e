// models/ModelGraph.h — what architectures are written with: rows that flow through norms, linears and attention, weights by name.
#pragma once

#include "compiler/op/Workload.h"
#include "models/ModelConfig.h"
#include "models/Weights.h"
#include "runtime/Plan.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// What a forward is of. Its plan's dimensions, in their order: rows, positions, outputs, past, first_output.
struct ForwardSizes {
  int64_t rows = 0;     ///< tokens in flight
  int64_t past = 0;     ///< positions already in the KV cache
  int64_t outputs = 0;  ///< the last so many of the rows go on to the end: 0 to rows

  std::array<int64_t, 5> dimensions() const { return {rows, past + rows, outputs, past, rows - outputs}; }
};

/// Rows of floats on their way: one per token, or one per output.
struct GraphRows {
  PlanBuffer buffer;
  int64_t width = 0;
  int64_t column = 0, stride = 0;  ///< the rows may be part of longer ones
  PlanDim dim, origin;
};

/// A weight that steps read, and how it gets into memory: ModelLoad.h does that.
struct GraphWeight {
  enum class Kind : uint8_t { Packed, Floats, Table };  ///< as the op's kernel wants it; f32, one piece behind the other; as it is
  Kind kind = Kind::Floats;
  PlanBuffer buffer;  ///< a constant of the plan; unused for tables
  OpDesc op;          ///< of Packed
  ElementType type = ElementType::F32;
  double share = 1;                   ///< of Packed: how much of it a token reads, on the average
  std::vector<const Weight*> pieces;  ///< columns of one weight, one after the other; null: so many zeros
  std::vector<int64_t> columns;       ///< of each piece
  int64_t depth = 0;
  float plus = 0;  ///< of Floats: added to each
};

/// Rows of a table by id: those of a weight of the graph.
struct GraphGather {
  size_t step = 0;    ///< of the plan
  size_t weight = 0;  ///< of the graph
  float scale = 1;    ///< what each element is multiplied by
  int64_t rows = 0;   ///< 0: of rows; else the ids name columns of so many rows each
};

/// Rows that go through some of a layer's experts each, and come back.
struct GraphRoute {
  PlanGroups groups;
  PlanBuffer order, places, weights;
  PlanDim rows, slots;  ///< of all rows, and as often as each is routed
  int64_t experts = 0, used = 0;
};

/// A table of angles of the plan.
struct GraphAngles {
  PlanBuffer buffer;
  RopeConfig rope;
  std::vector<float> factors;  ///< each pair's frequency is divided by its own; empty: by none
};

/// How a linear layer ends: an expression of x, the product with its bias, where there is one.
struct LinearEnd {
  ScalarExprRef ep;                                         ///< null: x itself
  std::vector<std::pair<std::string, GraphRows>> operands;  ///< of ep, apart from x
};
/// scale x + residual.
LinearEnd addedTo(const GraphRows& residual, double scale = 1);
/// fn(x), and fn(gate) * x.
LinearEnd activated(ScalarFn fn);
LinearEnd gatedBy(ScalarFn fn, const GraphRows& gate);

/// What products of weights below f32 are computed in. Exact: f32, the weight's values as they are. Fast: what the types were made for;
/// of types in blocks a=q8, of bf16 a=bf16 (op/MatmulOp.h), the others as exact; attention over a KV cache of bf16 a=bf16 too. Tile: what
/// matrix units are quickest at, a=bf16 of types in blocks too, else as Fast. A model of which all products round has the same bits on all
/// levels with fma.
enum class Compute : uint8_t { Exact, Fast, Tile };
/// As --compute spells it.
std::string_view nameOf(Compute compute);
std::optional<Compute> computeNamed(std::string_view name);

/// What a model's numbers are on their way.
struct Arithmetic {
  ElementType kvType = ElementType::F32;  ///< of the KV cache: or F16, BF16, Q8_0
  Compute compute = Compute::Exact;
  PairOrder order = PairOrder::Tile32;  ///< of products of bf16
};

/// Errors are kept: the first one is what status() says, and what is built after it means nothing.
class ModelGraph {
public:
  /// `context`: positions of the caches, at most the config's.
  ModelGraph(Weights& weights, const ModelConfig& config, int64_t maxRows, int64_t context, const Arithmetic& arithmetic);

  /// The rows of a table [vocab,width] that the ids name, times the config's scale.
  GraphRows embedding(const std::string& table);
  /// The rows of a table [context,width] at the positions of the rows in flight, added to x.
  GraphRows plusPositions(const GraphRows& x, const std::string& table);
  /// Gains are those stored, and `plus`. Rows of `heads` heads: each is normalised by itself, by gains that they share.
  GraphRows rmsNorm(const GraphRows& x, const std::string& gain, float plus = 0, int64_t heads = 1);
  GraphRows layerNorm(const GraphRows& x, const std::string& gain, const std::string& bias);
  /// Of rows of `heads` heads, without a bias: each is normalised by itself, by gains of its own: NAME.weight [heads, size of a head], or
  /// NAME.0.weight, NAME.1.weight ..
  GraphRows layerNormOfHeads(const GraphRows& x, const std::string& name, int64_t heads);
  /// Of x + y.
  GraphRows layerNormOfSum(const GraphRows& x, const GraphRows& y, const std::string& gain, const std::string& bias);
  /// x + scale y.
  GraphRows sum(const GraphRows& x, const GraphRows& y, double scale = 1);
  /// x W^T + bias for weights NAME.weight that share x, side by side in one row; biases NAME.bias where they are. `inOut`: stored [in,out].
  GraphRows linear(const GraphRows& x, const std::vector<std::pair<std::string, int64_t>>& namesAndWidths, const LinearEnd& end = {},
                   bool inOut = false);
  /// Each row's experts by its scores, a row of `scores` [experts].
  GraphRoute route(const GraphRows& scores);
  /// Rows of x by expert, as often as each is routed.
  GraphRows routed(const GraphRoute& route, const GraphRows& x);
  /// Of rows by expert: x W^T + bias, each expert's own: NAME.weight [experts, width, x.width], NAME.bias [experts, width] where it is.
  GraphRows expertLinear(const GraphRoute& route, const GraphRows& x, const std::string& name, int64_t width, const LinearEnd& end = {});
  /// The weighted sum of what a row's experts made.
  GraphRows broughtBack(const GraphRoute& route, const GraphRows& x);
  /// The heads of a layer over what its window holds of everything up to each row: queries `q` [heads], keys and values [kvHeads] of the
  /// rows in flight, which join the layer's cache. Turns q and k first where the config says so.
  /// `sinks`: a weight [heads], a score of each head that takes part in its softmax.
  GraphRows attention(const GraphRows& q, const GraphRows& k, const GraphRows& v, int64_t layer, const std::string& sinks = "");
  /// The heads of an encoder's layer: rows see all rows of their text, keys are kept nowhere.
  GraphRows textAttention(const GraphRows& q, const GraphRows& k, const GraphRows& v);
  /// Rows of a table [rows,width] of an encoder: those of the positions that kPositions names.
  GraphRows positions(const std::string& table, int64_t rows);
  /// x and the first row of a table [rows,width].
  GraphRows plusFirst(const GraphRows& x, const std::string& table, int64_t rows);
  /// An encoder's output, a row of each token.
  void vectors(const GraphRows& x);
  /// Each pair's frequency of the config's `rope` is divided by its own factor, from a weight [turned / 2].
  void scaleFrequencies(const std::string& factors);
  /// The rows whose logits are wanted.
  GraphRows outputs(const GraphRows& x);
  /// Logits of a head [vocab,width], scaled and capped as the config says; `head` may be the table that embedding() was given.
  void logits(const GraphRows& x, const std::string& head);

  /// A function of one number by its name in expressions.
  ScalarFn function(const std::string& name);
  static GraphRows part(const GraphRows& x, int64_t column, int64_t width);
  bool has(const std::string& name) const { return weights_.has(name); }
  /// A weight that is there but means nothing here.
  void ignore(const std::string& name) { weights_.ignore(name); }
  /// A weight that is several, one below the other, is from here on those of `parts`, by name and rows; what it has of a bias too.
  void split(const std::string& name, const std::vector<std::pair<std::string, int64_t>>& parts);
  int64_t context() const { return plan_.most(positions_); }
  /// Whether the context is longer than the one that the config's `rope` was made for.
  bool longContext() const { return static_cast<double>(context()) > c_.rope.originalContext; }

  /// When all of it is built: rows are rounded where they come from (PlanBuilder::handOnRounded).
  void handOnRounded();

  Result<void> status() const { return status_; }
  PlanBuilder& plan() { return plan_; }
  std::vector<GraphWeight>& weights() { return list_; }
  const std::vector<GraphGather>& gathers() const { return gathers_; }
  const std::vector<GraphAngles>& angles() const { return angles_; }
  int64_t angleBytes() const { return plan_.most(positions_) * c_.turnedDim() * 4; }  ///< of one table
  const ModelConfig& config() const { return c_; }

  static constexpr int kIds = 0, kLogits = 1, kPositions = 2;  ///< places of what PlanSession::run is given
  /// The texts of an encoder's rows.
  PlanGroups texts() const { return texts_; }

private:
  const Weight* take(const std::string& name, std::initializer_list<int64_t> shape);
  PlanBuffer floats(const std::string& name, int64_t count, float plus = 0);
  /// Weights side by side that share their input, and what their biases are called where there are any.
  struct LinearParts {
    std::vector<const Weight*> weights;
    std::vector<std::string> names;  ///< without .weight; empty: of what is made, which has neither biases nor adapters
    std::vector<int64_t> widths;
    bool biased(const Weights& all) const;
  };
  PlanBuffer biases(const LinearParts& parts);
  void linearStep(const GraphRows& x, const GraphRows& out, const LinearParts& parts, const LinearEnd& end, bool inOut);
  /// The op of a product of one weight, or several side by side, and the step of it without weight and biases.
  std::optional<MatmulOp> productOf(const GraphRows& x, const GraphRows& out, const LinearParts& parts, const LinearEnd& end, bool inOut);
  PlanStep productStep(const MatmulOp& matmul, const std::string& name, const GraphRows& x, const GraphRows& out, const LinearEnd& end,
                       PlanBuffer weight, PlanBuffer bias);
  /// As `end`, of the product and what adapters add to it, where they have something for one of `parts`.
  LinearEnd adapted(const GraphRows& x, const LinearParts& parts, const LinearEnd& end);
  LinearEnd adaptedExperts(const GraphRoute& route, const GraphRows& x, const std::string& name, int64_t width, const LinearEnd& end);
  GraphRows adaptedTable(const GraphRows& x, const std::string& table);
  /// Adapters' A below each other and B side by side, of several weights that are side by side themselves; null: there are none.
  /// `rank`: at least so many rows of A.
  struct LowRankPair {
    const Weight *down = nullptr, *up = nullptr;
    int64_t rank = 0;
  };
  LowRankPair lowRank(const std::vector<std::string>& names, const std::vector<int64_t>& widths, int64_t depth, int64_t rank = 0);
  /// Each expert's own weight; biases where there are any.
  void expertStep(const GraphRoute& route, const GraphRows& x, const GraphRows& out, const std::vector<LinearParts>& experts,
                  const LinearEnd& end);
  GraphRows fresh(int64_t width, const GraphRows& like);
  static PlanView view(const GraphRows& x, ElementType type = ElementType::F32);
  static PlanView headsView(const GraphRows& x, int64_t headSize);
  PlanView anglesOf(bool local);
  /// The op, where it is one. What is wrong with it is kept.
  OpDesc checked(OpDesc op);
  void fail(Error error);

  Weights& weights_;
  const ModelConfig& c_;
  ElementType kvType_;
  Compute compute_;
  PairOrder order_;
  PlanBuilder plan_;
  PlanDim rows_, positions_, outputs_, past_, firstOutput_;
  std::vector<GraphWeight> list_;
  std::vector<GraphGather> gathers_;
  std::map<std::string, size_t> tables_;  ///< by name
  std::vector<GraphAngles> angles_;
  std::optional<size_t> ropeAt_, localAt_;  ///< places in angles_
  std::vector<float> factors_;
  PlanGroups texts_;
  Result<void> status_;
};

/// The type that kernels read a stored weight in: its own where they know it; f32 for f64; q8_0 for the other kinds of blocks.
/// Errors   BadInput naming the weight: a type that cannot be converted.
Result<ElementType> kernelTypeOf(const Weights& weights, const Weight& weight);

}  // namespace quern
