// compiler/loops/build/OpBuild.h — what every op's loop builder shares: buffers from tensor specs, vector loops with tails, the
// fixed order of row reductions. Op and schedule meet in the builders that use this, and nowhere else.
#pragma once

#include "compiler/loops/build/LoopBuilder.h"
#include "compiler/op/OpDesc.h"
#include "compiler/schedule/Schedule.h"

#include <functional>
#include <map>

namespace quern {

/// One op being built for one target.
class OpBuild {
public:
  OpBuild(const OpDesc& op, const Schedule& schedule, const Target& target);

  LoopBuilder b;
  const Target& target;

  /// The run-time variable or the constant of a dimension.
  Value dim(const TensorDim& dim) const;
  std::vector<Value> dimsOf(const TensorSpec& spec) const;
  /// From here on a run-time dimension is that, made of others.
  void setDim(const std::string& name, const Value& value) { dims_.insert_or_assign(name, value); }
  /// Dense row-major, no run-time strides; q8 in words, sixteen a block.
  BufferRef dense(const TensorSpec& spec, BufferRole role);
  /// Leading strides are QuernArgs.strides; the innermost is 1. Of q8_0 (BufferRef::blocks) too, whose strides are whole blocks.
  BufferRef strided(const TensorSpec& spec, BufferRole role);

  bool fma() const { return target.isa().fma; }
  bool masks() const { return target.isa().masks != LaneMasks::None; }
  Value mulAdd(const Value& a, const Value& b, const Value& c) const;
  /// a b + c, rounded once on every level.
  Value exactMulAdd(const Value& a, const Value& b, const Value& c);

  /// A step of a vector loop: the first element's index, how many lanes, and the mask of the last step (or null).
  using VectorStep = std::function<void(const Value& at, int lanes, const Value* mask)>;

  /// Covers [begin, begin + count): `unroll` vectors at a time, then vectors, then the rest under a mask, or one by one.
  void forVectors(const std::string& name, const Value& begin, const Value& count, int lanes, int unroll, bool maskTail,
                  const VectorStep& step);

  /// body(true) where an output of `elements` goes past the caches: from `least` elements on; 0: never. Decided here where it can be.
  void whereStreamed(const Value& elements, int64_t least, const std::function<void(bool streams)>& body);
  /// forVectors over elements of `out` from `first` on (the place of element `begin`), cut where 64 bytes begin: the vectors after that
  /// stay within lines.
  void forStreamed(const std::string& name, const BufferRef& out, const std::vector<Value>& first, const Value& begin, const Value& count,
                   int lanes, int unroll, bool maskTail, const VectorStep& step);
  /// What forStreamed's steps store by: whole vectors of 16 bytes and more past the caches.
  void streamed(const BufferRef& out, const std::vector<Value>& at, const Value& value, int lanes, const Value* mask);

  /// An elementwise expression over `lanes` lanes; `operand` gives the value of a name.
  Value scalarExpr(const ScalarExpr& expr, int lanes, const std::function<Value(const std::string&)>& operand);

private:
  BufferRef blocks(const TensorSpec& spec, BufferRole role, std::vector<Value> strides);

  std::map<std::string, Value> dims_;
};

/// What combines with x by Add, Max, Min or Mul to x: +0, -Inf, +Inf, 1.
float identityOf(LoopOp op);

/// A reduction along a contiguous row, in an order that depends on nothing but the column:
///
///   partial p (0 <= p < 64) takes columns p, p + 64, p + 128, ... in ascending order, starting from the identity;
///   partials fold in halves: p with p + 32, then p + 16, p + 8, p + 4, p + 2, p + 1.
///
/// Any number of lanes gives the same bits: 64 / lanes registers hold the partials.
class RowReduce {
public:
  static constexpr int kPartials = 64;

  /// `name` of the registers; op is Add, Max, Min or Mul.
  RowReduce(OpBuild& build, const std::string& name, LoopOp op, int lanes, const Value& columns);

  /// Runs over the columns: `value` gives the vector at a column (under a mask in the last step; lanes that are off are
  /// replaced by the identity here).
  void run(const std::function<Value(const Value& at, const Value* mask)>& value);
  /// As run, where the step itself combines: acc -> new acc, masked lanes must be left alone by the caller.
  void runWith(const std::function<Value(const Value& acc, const Value& at, const Value* mask)>& step);
  /// The folded scalar.
  Value fold();
  /// All partials in the lanes of one vector, folded in halves down to that.
  Value foldToVector(const std::function<Value(const Value&, const Value&)>& combine);

private:
  Value identity() const;

  OpBuild& build_;
  std::string name_;
  LoopOp op_;
  int lanes_;
  int registers_;
  Value columns_;
  RegArray partials_;
};

}  // namespace quern
