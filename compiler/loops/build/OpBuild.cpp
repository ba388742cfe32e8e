// compiler/loops/build/OpBuild.cpp — see OpBuild.h.
#include "compiler/loops/build/OpBuild.h"

#include "compiler/ActivationList.h"
#include "compiler/base/Check.h"
#include "compiler/loops/build/Lanes.h"
#include "compiler/op/BlockValues.h"

#include <fmt/format.h>
#include <limits>

namespace quern {

OpBuild::OpBuild(const OpDesc& op, const Schedule& schedule, const Target& forTarget)
    : b(fmt::format("{} | {}", text(op), text(schedule)), contractOf(schedule, op, forTarget)), target(forTarget) {
  for (const std::string& name : runtimeDims(op)) dims_.emplace(name, b.dim(name));
}

Value OpBuild::dim(const TensorDim& dim) const { return dim.any() ? dims_.at(dim.name) : Value(dim.value); }

std::vector<Value> OpBuild::dimsOf(const TensorSpec& spec) const {
  std::vector<Value> values;
  for (const TensorDim& each : spec.dims) values.push_back(dim(each));
  return values;
}

/// Of what has its size where no lanes are of the type: u32, u64 and bool.
static Scalar storedOf(ElementType type) {
  if (type == ElementType::Bool) return Scalar::U8;
  if (type == ElementType::U32) return Scalar::I32;
  if (type == ElementType::U64) return Scalar::I64;
  auto scalar = scalarNamed(text(type));
  QUERN_CHECK_FOR(scalar.has_value(), std::string(text(type)));  // blocks have a reader of their own (WeightLoops.h)
  return *scalar;
}

BufferRef OpBuild::dense(const TensorSpec& spec, BufferRole role) {
  if (spec.type == ElementType::Q8) {
    constexpr int64_t kWordElements = CodedBlock::kElements / CodedWords::kWords;
    std::vector<Value> shape = dimsOf(spec);
    shape.back() = shape.back() / kWordElements;
    return b.denseBuffer(spec.name, Scalar::I32, role, std::move(shape));
  }
  return b.denseBuffer(spec.name, storedOf(spec.type), role, dimsOf(spec));
}

BufferRef OpBuild::strided(const TensorSpec& spec, BufferRole role) {
  std::vector<Value> strides;
  for (size_t i = 0; i + 1 < spec.dims.size(); ++i) strides.push_back(b.strideParam(fmt::format("{}_s{}", spec.name, i)));
  if (spec.type == ElementType::Q8_0) return blocks(spec, role, std::move(strides));
  if (!spec.dims.empty()) strides.push_back(1);
  return b.buffer(spec.name, storedOf(spec.type), role, dimsOf(spec), std::move(strides));
}

BufferRef OpBuild::blocks(const TensorSpec& spec, BufferRole role, std::vector<Value> strides) {
  const ElementFormat& format = formatOf(spec.type);
  std::vector<Value> shape = dimsOf(spec);
  for (Value& stride : strides) stride = stride / format.block * format.blockBytes;
  shape.back() = shape.back() / format.block;
  shape.push_back(format.blockBytes);
  strides.push_back(format.blockBytes);
  strides.push_back(1);
  BufferRef buffer = b.buffer(spec.name, Scalar::U8, role, std::move(shape), std::move(strides));
  buffer.blocks = true;
  return buffer;
}

Value OpBuild::exactMulAdd(const Value& x, const Value& y, const Value& z) {
  if (fma()) return fmaOf(x, y, z);
  // The product is exact in double. Where the sum, which is not, lies half way between two floats, what was lost of it decides.
  auto wide = [](const Value& v) { return unary(LoopOp::ToF64, v); };
  auto narrow = [](const Value& v) { return unary(LoopOp::ToF32, v); };
  int lanes = x.lanes();
  Value product = b.let("product", wide(x) * wide(y)), more = b.let("more", wide(z)), sum = b.let("sum", product + more);
  Value added = b.let("added", sum - product);
  Value lost = b.let("lost", (product - (sum - added)) + (more - added));
  Value nearest = b.let("nearest", narrow(sum)), off = b.let("off", sum - wide(nearest));
  Value across = b.let("across", wide(nearest) + (off + off)), other = b.let("other", narrow(across));
  Value half = binary(LoopOp::And, binary(LoopOp::Eq, wide(other), across), binary(LoopOp::Ne, nearest, other));
  Value above = maxOf(nearest, other), below = minOf(nearest, other), zero = wide(f32Const(0, lanes));
  Value decided = selectOf(lessThan(zero, lost), above, selectOf(lessThan(lost, zero), below, nearest));
  return selectOf(half, decided, nearest);
}

Value OpBuild::mulAdd(const Value& x, const Value& y, const Value& z) const { return fma() ? fmaOf(x, y, z) : x * y + z; }

void OpBuild::forVectors(const std::string& name, const Value& begin, const Value& count, int lanes, int unroll, bool maskTail,
                         const VectorStep& step) {
  int64_t wide = int64_t{lanes} * unroll;
  Value wideEnd = unroll > 1 ? b.let(name + "_wide", begin + count / wide * wide) : begin;
  if (unroll > 1)
    b.loop(name, begin, wideEnd, wide,
           [&](const Value& at) { b.unroll(name + "_u", unroll, [&](const Value& u) { step(at + u * lanes, lanes, nullptr); }); });
  Value vectorEnd = b.let(name + "_full", begin + count / int64_t{lanes} * lanes);
  b.loop(name, wideEnd, vectorEnd, lanes, [&](const Value& at) { step(at, lanes, nullptr); });
  if (lanes == 1) return;
  Value end = begin + count, rest = count % int64_t{lanes};
  if (rest.isConstant(0)) return;
  if (!maskTail) {
    b.loop(name, vectorEnd, end, 1, [&](const Value& at) { step(at, 1, nullptr); });
    return;
  }
  auto tail = [&] {
    Value mask = b.let(name + "_mask", maskOf(rest, lanes));
    step(vectorEnd, lanes, &mask);
  };
  if (rest.constant() != nullptr) tail();
  else b.when(lessThan(vectorEnd, end), tail);
}

void OpBuild::whereStreamed(const Value& elements, int64_t least, const std::function<void(bool streams)>& body) {
  if (least == 0) return body(false);
  if (const int64_t* known = elements.constant()) return body(*known >= least);
  b.when(lessThan(elements, least), [&] { body(false); }, [&] { body(true); });
}

void OpBuild::forStreamed(const std::string& name, const BufferRef& out, const std::vector<Value>& first, const Value& begin,
                          const Value& count, int lanes, int unroll, bool maskTail, const VectorStep& step) {
  Value head = b.let(name + "_head", minOf(count, b.toLine(out, first)));
  forVectors(name + "h", begin, head, lanes, 1, maskTail, step);
  Value body = b.let(name + "_first", begin + head);
  forVectors(name, body, b.let(name + "_rest", count - head), lanes, unroll, maskTail, step);
}

void OpBuild::streamed(const BufferRef& out, const std::vector<Value>& at, const Value& value, int lanes, const Value* mask) {
  if (mask == nullptr && lanes > 1) b.stream(out, at, value);
  else b.store(out, at, value, mask);
}

/// The node that a function of the expression language is; of `greater` that of `less`.
static LoopOp nodeOf(ScalarFn fn) {
  constexpr LoopOp ops[] = {LoopOp::Add,
                            LoopOp::Sub,
                            LoopOp::Mul,
                            LoopOp::Div,
                            LoopOp::Neg,
                            LoopOp::Max,
                            LoopOp::Min,
                            LoopOp::Abs,
                            LoopOp::Sqrt,
                            LoopOp::Select,
                            LoopOp::Max,
                            LoopOp::Eq,
                            LoopOp::Ne,
                            LoopOp::Lt,
                            LoopOp::Le,
                            LoopOp::Lt,
                            LoopOp::Le,
                            LoopOp::Pow,
#define QUERN_FN(Name) LoopOp::Name,
                            QUERN_ACTIVATIONS(QUERN_FN)
#undef QUERN_FN
  };
  return ops[static_cast<size_t>(fn)];
}

static Value applied(ScalarFn fn, std::span<const Value> args, int lanes) {
  LoopOp op = nodeOf(fn);
  if (fn == ScalarFn::Where) return selectOf(binary(LoopOp::Ne, args[0], f32Const(0, lanes)), args[1], args[2]);
  if (fn == ScalarFn::Clamp) return minOf(maxOf(args[0], args[1]), args[2]);
  if (fn >= ScalarFn::Equal && fn <= ScalarFn::GreaterEqual) {
    bool swapped = fn >= ScalarFn::Greater;
    return selectOf(binary(op, args[swapped ? 1 : 0], args[swapped ? 0 : 1]), f32Const(1, lanes), f32Const(0, lanes));
  }
  return args.size() == 1 ? unary(op, args[0]) : binary(op, args[0], args[1]);
}

Value OpBuild::scalarExpr(const ScalarExpr& expr, int lanes, const std::function<Value(const std::string&)>& operand) {
  if (expr.kind == ScalarExpr::Kind::Number) return f32Const(expr.number, lanes);
  if (expr.kind == ScalarExpr::Kind::Operand) return operand(expr.operand);
  std::vector<Value> args;
  for (const ScalarExprRef& arg : expr.args) args.push_back(b.let("e", scalarExpr(*arg, lanes, operand)));
  return applied(expr.fn, args, lanes);
}

RowReduce::RowReduce(OpBuild& build, const std::string& name, LoopOp op, int lanes, const Value& columns)
    : build_(build), name_(name), op_(op), lanes_(lanes), registers_(kPartials / lanes), columns_(columns) {
  partials_ = build.b.reg(name, {registers_}, identity());
}

float identityOf(LoopOp op) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  if (op == LoopOp::Mul) return 1;
  return op == LoopOp::Add ? 0.0f : op == LoopOp::Max ? -kInf : kInf;
}

Value RowReduce::identity() const { return f32Const(identityOf(op_), lanes_); }

void RowReduce::run(const std::function<Value(const Value&, const Value*)>& value) {
  runWith([&](const Value& acc, const Value& at, const Value* mask) {
    Value v = value(at, mask);
    if (mask != nullptr) v = selectOf(*mask, v, identity());
    return binary(op_, acc, v);
  });
}

void RowReduce::runWith(const std::function<Value(const Value&, const Value&, const Value*)>& step) {
  LoopBuilder& b = build_.b;
  auto one = [&](const Value& q, const Value& at, const Value* mask) { b.set(partials_, {q}, step(b.get(partials_, {q}), at, mask)); };
  Value bulk = b.let(name_ + "_bulk", columns_ / kPartials * kPartials);
  b.loop(name_ + "_j", 0, bulk, kPartials,
         [&](const Value& j) { b.unroll(name_ + "_q", registers_, [&](const Value& q) { one(q, j + q * lanes_, nullptr); }); });
  Value rest = b.let(name_ + "_rest", columns_ - bulk);
  for (int64_t q = 0; q < registers_; ++q) {
    Value left = rest - q * lanes_;
    auto masked = [&] {
      Value mask = b.let(name_ + "_mask", maskOf(left, lanes_));
      one(q, bulk + q * lanes_, &mask);
    };
    const int64_t* known = left.constant();
    if (known == nullptr) b.when(lessThan(0, left), masked);
    else if (*known >= lanes_) one(q, bulk + q * lanes_, nullptr);
    else if (*known > 0) masked();
  }
}

Value RowReduce::foldToVector(const std::function<Value(const Value&, const Value&)>& combine) {
  LoopBuilder& b = build_.b;
  // Registers that no column reaches hold the identity: leaving them out changes no bit (no partial is ever -0).
  const int64_t* known = columns_.constant();
  int64_t used = known == nullptr ? registers_ : std::min<int64_t>(registers_, (*known + lanes_ - 1) / lanes_);
  for (int half = registers_ / 2; half >= 1; half /= 2)
    for (int64_t i = 0; i < half && i + half < used; ++i)
      b.set(partials_, {i}, combine(b.get(partials_, {i}), b.get(partials_, {i + half})));
  return b.let(name_, b.get(partials_, {0}));
}

Value RowReduce::fold() {
  auto combine = [this](const Value& x, const Value& y) { return binary(op_, x, y); };
  Value vector = foldToVector(combine);
  if (op_ != LoopOp::Mul || lanes_ == 1) return build_.b.let(name_, reduceOf(op_, vector));
  Value folded = foldTogether(build_.b, combine, {vector});
  return build_.b.let(name_, shuffleOf(folded, folded, {0}));
}

}  // namespace quern
