// tools/quern/bench/PeerCall.cpp — see PeerCall.h.
#include "tools/quern/bench/PeerCall.h"

#include "compiler/base/Text.h"
#include "compiler/reference/ScalarReference.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace quern {

namespace {

constexpr std::pair<ScalarFn, int> kFns[] = {{ScalarFn::GeluTanh, kQuernPeerGeluTanh}, {ScalarFn::GeluErf, kQuernPeerGeluErf},
                                             {ScalarFn::Relu, kQuernPeerRelu},         {ScalarFn::Silu, kQuernPeerSilu},
                                             {ScalarFn::Exp, kQuernPeerExp},           {ScalarFn::Log, kQuernPeerLog},
                                             {ScalarFn::Tanh, kQuernPeerTanh},         {ScalarFn::Sigmoid, kQuernPeerSigmoid},
                                             {ScalarFn::Sqrt, kQuernPeerSqrt},         {ScalarFn::Abs, kQuernPeerAbs},
                                             {ScalarFn::Add, kQuernPeerAdd},           {ScalarFn::Sub, kQuernPeerSub},
                                             {ScalarFn::Mul, kQuernPeerMul},           {ScalarFn::Div, kQuernPeerDiv},
                                             {ScalarFn::Max, kQuernPeerMax},           {ScalarFn::Min, kQuernPeerMin}};

std::optional<int> peerFnOf(ScalarFn fn) {
  for (const auto& [own, theirs] : kFns)
    if (own == fn) return theirs;
  return std::nullopt;
}

/// The activation in an epilogue of the form that peers know, [bias][+activation][+residual]; nothing for another form.
std::optional<int> activationOf(const ScalarExprRef& ep) {
  int found = kQuernPeerNone;
  if (ep == nullptr) return found;
  int place = 0;  // stages come in this order, each at most once
  for (const std::string& stage : split(epilogueText(*ep), '+')) {
    const ScalarFnInfo* fn = findScalarFn(stage);
    bool activation = fn != nullptr &&
                      (fn->fn == ScalarFn::GeluTanh || fn->fn == ScalarFn::GeluErf || fn->fn == ScalarFn::Relu || fn->fn == ScalarFn::Silu);
    int here = stage == "bias" ? 1 : activation ? 2 : stage == "residual" ? 3 : 0;
    if (here <= place) return std::nullopt;
    place = here;
    if (here == 2) found = *peerFnOf(fn->fn);
  }
  return found;
}

PeerCall cannot(std::string why) {
  PeerCall made;
  made.cannot = std::move(why);
  return made;
}

PeerCall callOf(const MatmulOp& given, const CheckInputs& inputs, int threads) {
  const MatmulOp op = given.asOneProduct().value_or(given);
  if (op.broadcasts()) return cannot("peers have no batches that broadcast");
  if (op.w != ElementType::F32 && op.w != ElementType::I8)
    return cannot(fmt::format("peers take weights of f32 and i8, not {}", text(op.w)));
  auto activation = activationOf(op.ep);
  if (!activation) return cannot(fmt::format("ep={} is not of the form bias+activation+residual", epilogueText(*op.ep)));
  if (op.m.value * op.n.value * op.k.value * op.batches() == 0) return cannot("there is nothing to multiply");
  QuernPeerMatmul made = {op.m.value, op.n.value, op.k.value, op.batches(), op.ta, op.tb, op.acc, op.constB, *activation};
  made.threads = threads;
  std::vector<TensorSpec> specs = op.inputs();
  for (size_t i = 0; i < specs.size(); ++i) {
    const float* data = inputs.tensors[i].f32();
    if (specs[i].name == "A") made.a = data;
    if (specs[i].type == ElementType::I8) made.bytes = static_cast<const int8_t*>(inputs.tensors[i].data);
    else if (specs[i].name == "B") made.b = data;
    if (specs[i].name == MatmulOp::kScales && op.a == RoundedTo::I8) made.scales = data;
    if (specs[i].name == "bias") made.bias = data;
    if (specs[i].name == "residual") made.residual = data;
  }
  return {made, op.ep, false, ""};
}

/// The last dimensions of `out`, ones before them: a shape as NumPy aligns it.
void align(const Shape& shape, int rank, int64_t* out) {
  std::fill_n(out, rank, 1);
  for (size_t i = 0; i < shape.size(); ++i) out[static_cast<size_t>(rank) - shape.size() + i] = shape[i].value;
}

/// What all vector ops have: x, of rank 1 at least, and the inputs.
QuernPeerVector vectorOf(int kind, const Shape& x, const CheckInputs& inputs, int threads) {
  QuernPeerVector made{};
  made.kind = kind;
  made.rank = std::max(static_cast<int>(x.size()), 1);
  align(x, made.rank, made.x);
  for (size_t i = 0; i < inputs.tensors.size(); ++i) made.in[i] = inputs.tensors[i].f32();
  made.threads = threads;
  return made;
}

PeerCall callOf(const MapOp& op, const CheckInputs& inputs, int threads) {
  const ScalarExpr& expr = *op.expr;
  bool plain = expr.kind == ScalarExpr::Kind::Call && expr.args.size() == op.operands.size();
  for (const ScalarExprRef& arg : expr.args) plain = plain && arg->kind == ScalarExpr::Kind::Operand;
  if (!plain) return cannot("peers are measured on maps of one function only");
  std::optional<int> fn = peerFnOf(expr.fn);
  if (!fn) return cannot(fmt::format("peers are not measured on {}", info(expr.fn).name));
  bool unary = op.operands.size() == 1;
  QuernPeerVector made = vectorOf(unary ? kQuernPeerUnary : kQuernPeerBinary, op.operands[0].shape, inputs, threads);
  made.fn = *fn;
  if (!unary) {
    made.rank = std::max(static_cast<int>(op.outputShape().size()), 1);
    align(op.operands[0].shape, made.rank, made.x);
    align(op.operands[1].shape, made.rank, made.y);
  }
  return {made, nullptr, expr.fn == ScalarFn::Log || expr.fn == ScalarFn::Sqrt, ""};
}

PeerCall callOf(const SoftmaxOp& op, const CheckInputs& inputs, int threads) {
  if (op.causal != Causal::No) return cannot("peers have no causal softmax");
  if (op.factor() != 1) return cannot("peers have no softmax with a scale");
  QuernPeerVector made = vectorOf(kQuernPeerSoftmax, op.x, inputs, threads);
  made.axis = static_cast<int>(op.axisIndex());
  return {made, nullptr, false, ""};
}

PeerCall callOf(const LayerNormOp& op, const CheckInputs& inputs, int threads) {
  if (op.shape.residual) return cannot("peers have no layernorm of a sum");
  if (!op.bias || op.shape.firstAxis() + 1 != op.shape.x.size()) return cannot("peers have layernorm with a bias, over the last axis");
  QuernPeerVector made = vectorOf(kQuernPeerLayerNorm, op.shape.x, inputs, threads);
  made.axis = made.rank - 1;
  made.eps = op.shape.eps;
  return {made, nullptr, false, ""};
}

PeerCall callOf(const ReduceOp& op, const CheckInputs& inputs, int threads) {
  std::vector<bool> which = op.reduced();
  if (std::count(which.begin(), which.end(), true) != 1) return cannot("peers reduce one axis");
  QuernPeerVector made = vectorOf(kQuernPeerReduce, op.x, inputs, threads);
  made.axis = static_cast<int>(std::find(which.begin(), which.end(), true) - which.begin());
  switch (op.fn) {
    case ReduceFn::Sum: made.fn = kQuernPeerSum; break;
    case ReduceFn::Mean: made.fn = kQuernPeerMean; break;
    case ReduceFn::Max: made.fn = kQuernPeerMax; break;
    case ReduceFn::Min: made.fn = kQuernPeerMin; break;
    case ReduceFn::Prod: return cannot("peers have no product");
  }
  return {made, nullptr, false, ""};
}

template <class Op>
PeerCall callOf(const Op&, const CheckInputs&, int) {
  return cannot(fmt::format("peers are not measured on {}", Op::kName));
}

}  // namespace

PeerCall peerCallOf(const OpDesc& op, const CheckInputs& inputs, int threads) {
  PeerCall made = std::visit([&](const auto& one) { return callOf(one, inputs, threads); }, op);
  bool empty = outputOf(op).elements() == 0;
  for (const TensorSpec& spec : inputsOf(op)) empty = empty || spec.elements() == 0;
  if (made.cannot.empty() && empty) made.cannot = "there is nothing to compute";
  return made;
}

void applyEpilogue(const PeerCall& call, float* c, size_t elements) {
  const auto* op = std::get_if<QuernPeerMatmul>(&call.op);
  if (op == nullptr || call.epilogue == nullptr) return;
  for (size_t i = 0; i < elements; ++i) {
    auto operand = [&](const std::string& name) {
      return Bounded{name == "x" ? c[i] : name == "bias" ? op->bias[i % static_cast<size_t>(op->n)] : op->residual[i], 0};
    };
    c[i] = static_cast<float>(evaluate(*call.epilogue, operand).value);
  }
}

}  // namespace quern
