// compiler/op/MatmulOp.cpp — see MatmulOp.h.
#include "compiler/op/MatmulOp.h"

#include "compiler/base/Text.h"
#include "compiler/op/BlockFormat.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

OpDoc MatmulOp::doc() {
  return {
      "m= n= k= [batch=2x3] [batch_a=2x1] [batch_b=scalar] [vector=a|b|ab] [ta=1] [tb=1] [const=b] "
      "[w=f32|f16|bf16|i8|q8_0|q4_0|q4_1|q5_0|q5_1|q2_K|q3_K|q4_K|q5_K|q6_K|iq4_nl|iq4_xs|mxfp4] "
      "[a=f32|bf16|q8|i8|f32x3] "
      "[order=tile32|pairs] [in=f32|bf16|q8] [out=f32|bf16|q8] [acc=1] [ep=bias+gelu_tanh+residual] [maths=common]",
      "C[m,n] = A[m,k] B[k,n]; batch: leading axes, to which batch_a, batch_b broadcast; vector: A, B are [k], C has no m, no n; "
      "tb=1: B stored [n,k]; const=b: B is a weight, packed once, of type w; a: what A is rounded to first, or f32 "
      "by products of bf16; in, out: what A arrives and C leaves as; "
      "acc=1: C += ...; ep: stages "
      "left to right or an expression in x",
      "A, B, scales [n] if a=i8, C if acc=1, then each operand of ep as it appears (bias [n], residual [m,n])"};
}

/// Names in `ep` that have a shape of their own key.
static std::vector<std::string> freeOperands(const ScalarExprRef& ep) {
  std::vector<std::string> names;
  if (ep == nullptr) return names;
  for (const std::string& name : operandsOf(*ep))
    if (name != "x" && name != "bias" && name != "residual") names.push_back(name);
  return names;
}

static constexpr const char* kRoundings[] = {"f32", "bf16", "q8", "i8", "f32x3"};

static ElementType takeWeightType(KeyReader& reader) {
  std::vector<ElementType> types = {ElementType::F32, ElementType::F16, ElementType::BF16, ElementType::I8};
  for (const BlockFormat& each : blockFormats()) types.push_back(each.type);
  std::vector<std::string> names;
  for (ElementType type : types) names.emplace_back(text(type));
  return types[reader.takeChoice("w", names)];
}

static void takeBatch(KeyReader& reader, MatmulOp& op) {
  auto shape = [&](std::string_view key, const Shape& without) {
    if (reader.has(key)) return takeShape(reader, key);
    reader.take(key);
    return without;
  };
  op.batch = shape("batch", {});
  op.batchA = shape("batch_a", op.batch);
  op.batchB = shape("batch_b", op.batch);
}

/// m and n are 1, said or not, where vector= leaves them out.
static void takeSizes(KeyReader& reader, MatmulOp& op) {
  bool vectors = reader.has("vector");
  std::pair<const char*, Dim&> sizes[] = {{"m", op.m}, {"n", op.n}, {"k", op.k}};
  bool missing[3] = {};
  for (int i = 0; i < 3; ++i) {
    missing[i] = !reader.has(sizes[i].first);
    sizes[i].second = takeDim(reader, sizes[i].first, vectors && i < 2 ? std::optional(Dim{1}) : std::nullopt);
  }
  takeBatch(reader, op);
  size_t vector = reader.takeChoice("vector", {"", "a", "b", "ab"});
  op.vectorA = vector == 1 || vector == 3;
  op.vectorB = vector >= 2;
  if (vectors && missing[0] && !op.vectorA) reader.fail("m= is missing");
  if (vectors && missing[1] && !op.vectorB) reader.fail("n= is missing");
  // Said or not, a vector has no batch.
  if (op.vectorA && !reader.has("batch_a")) op.batchA.clear();
  if (op.vectorB && !reader.has("batch_b")) op.batchB.clear();
}

MatmulOp MatmulOp::read(KeyReader& reader) {
  MatmulOp op;
  takeSizes(reader, op);
  op.ta = reader.takeFlag("ta");
  op.tb = reader.takeFlag("tb");
  op.constB = reader.takeChoice("const", {"", "b"}) == 1;
  op.w = takeWeightType(reader);
  op.acc = reader.takeFlag("acc");
  if (auto text = reader.take("ep")) {
    auto ep = parseEpilogue(*text);
    if (ep) op.ep = *ep;
    else reader.failBeforeKeys(ep.error().message);
  }
  for (const std::string& name : freeOperands(op.ep))
    if (name == "a" || name == "order" || name == "maths" || name == "in" || name == "out")
      reader.failBeforeKeys(
          fmt::format("ep has an operand '{}', which is a key that says how numbers come about; another name is needed", name));
    else if (name == "batch_a" || name == "batch_b" || name == "vector")
      reader.failBeforeKeys(
          fmt::format("ep has an operand '{}', which is a key that says what A and B look like; another name is needed", name));
  op.a = static_cast<RoundedTo>(reader.takeChoice("a", std::vector<std::string>(std::begin(kRoundings), std::end(kRoundings))));
  op.order = takePairOrder(reader, op.a, "a=bf16 and a=f32x3");
  op.in = takeHandedType(reader, "in");
  op.out = takeHandedType(reader, "out");
  if (reader.has("maths") && op.ep == nullptr) reader.failBeforeKeys("maths= goes with ep=, whose functions it is about");
  op.commonMaths = reader.takeChoice("maths", {"own", "common"}) == 1;
  for (const std::string& name : freeOperands(op.ep)) op.operandShapes.emplace_back(name, takeShape(reader, name));
  return op;
}

KeyValues MatmulOp::write() const {
  KeyValues keys{std::string(kName), {}};
  keys.set("m", text(m));
  keys.set("n", text(n));
  keys.set("k", text(k));
  if (!batch.empty()) keys.set("batch", text(batch));
  if (batchA != (vectorA ? Shape{} : batch)) keys.set("batch_a", text(batchA));
  if (batchB != (vectorB ? Shape{} : batch)) keys.set("batch_b", text(batchB));
  if (vectorA || vectorB) keys.set("vector", !vectorA ? "b" : vectorB ? "ab" : "a");
  if (ta) keys.set("ta", "1");
  if (tb) keys.set("tb", "1");
  if (constB) keys.set("const", "b");
  if (w != ElementType::F32) keys.set("w", std::string(text(w)));
  if (a != RoundedTo::F32) keys.set("a", kRoundings[static_cast<size_t>(a)]);
  if (inPairs()) setPairOrder(keys, order);
  if (in != ElementType::F32) keys.set("in", std::string(text(in)));
  if (out != ElementType::F32) keys.set("out", std::string(text(out)));
  if (acc) keys.set("acc", "1");
  if (ep != nullptr) keys.set("ep", epilogueText(*ep));
  if (commonMaths) keys.set("maths", "common");
  for (const auto& [name, shape] : operandShapes) keys.set(name, text(shape));
  return keys;
}

/// A weight's type and what A is rounded to.
static Result<void> checkRounding(const MatmulOp& op) {
  std::string_view w = formatOf(op.w).name;
  const char* a = kRoundings[static_cast<size_t>(op.a)];
  if (op.a == RoundedTo::Q8 && !isQuantised(op.w))
    return badCommand(fmt::format("matmul: a=q8 with w={}; it goes with weights in blocks: {}", w, blockFormatNames()));
  if (op.a == RoundedTo::BF16 && op.w != ElementType::BF16 && !op.makesPieces())
    return badCommand(fmt::format("matmul: a=bf16 with w={}; it goes with w=bf16, w=f16 and weights in blocks: {}", w, blockFormatNames()));
  if (op.a == RoundedTo::F32x3 && (!op.constB || op.w != ElementType::F32))
    return badCommand(fmt::format("matmul: a=f32x3 {}; it goes with weights of f32",
                                  op.constB ? fmt::format("with w={}", w) : std::string("without const=b")));
  if (op.a == RoundedTo::I8 && op.w != ElementType::I8) return badCommand(fmt::format("matmul: a=i8 with w={}; it goes with w=i8", w));
  if (op.w == ElementType::I8 && op.a != RoundedTo::I8) return badCommand(fmt::format("matmul: w=i8 with a={}; it goes with a=i8", a));
  if (op.inPairs() && op.ta)
    return badCommand(fmt::format("matmul: a={} with ta=1; its pairs are neighbours along k of an A stored [m,k]", a));
  if (op.a == RoundedTo::Q8 && op.ta) return badCommand("matmul: a=q8 with ta=1; its blocks are neighbours along k of an A stored [m,k]");
  if (op.a != RoundedTo::I8) return {};
  if (op.ta) return badCommand("matmul: a=i8 with ta=1; its codes are of rows of an A stored [m,k]");
  if (op.k.value > MatmulOp::kMostWholeDepth)
    return badCommand(fmt::format("matmul: a=i8 with k={}; its sums are whole numbers of 32 bits, exact for k up to {}", op.k.value,
                                  MatmulOp::kMostWholeDepth));
  for (const std::string& name : freeOperands(op.ep))
    if (name == MatmulOp::kScales)
      return badCommand("matmul: ep has an operand 'scales', which is the weight's with a=i8; another name is needed");
  return {};
}

/// What A arrives and C leaves as.
static Result<void> checkForms(const MatmulOp& op) {
  RoundedTo needed = op.in == ElementType::Q8 ? RoundedTo::Q8 : RoundedTo::BF16;
  if (op.in != ElementType::F32 && op.a != needed)
    return badCommand(fmt::format("matmul: in={} with a={}; it goes with a={}", text(op.in), kRoundings[static_cast<size_t>(op.a)],
                                  kRoundings[static_cast<size_t>(needed)]));
  if (op.in == ElementType::BF16 && op.k.value % 2 != 0)
    return badCommand(fmt::format("matmul: in=bf16 with k={}; its pairs are whole, k must be even", op.k.value));
  if (op.acc && op.out != ElementType::F32)
    return badCommand(fmt::format("matmul: out={} with acc=1; what is added to is f32", text(op.out)));
  return checkBlocks("matmul", fmt::format("n={}", text(op.n)), "out", op.out, op.n);
}

/// Which axes the arrays have.
static Result<void> checkAxes(const MatmulOp& op) {
  for (const auto& [left, key, name, size, axes] :
       {std::tuple{op.vectorA, "a", "m", op.m, op.batchA}, {op.vectorB, "b", "n", op.n, op.batchB}}) {
    if (!left) continue;
    if (size != Dim{1})
      return badCommand(fmt::format("matmul: vector={} with {}={}; that is [k] then, {} must be 1", key, name, text(size), name));
    if (!axes.empty())
      return badCommand(fmt::format("matmul: vector={} with batch_{}={}; that is [k] then, without a batch", key, key, text(axes)));
  }
  if (op.batch.size() > MatmulOp::kMostBatchAxes)
    return badCommand(
        fmt::format("matmul: batch={} has {} dimensions; at most {}", text(op.batch), op.batch.size(), MatmulOp::kMostBatchAxes));
  if (!op.broadcasts()) return {};
  auto both = broadcastOf(op.batchA, op.batchB);
  if (!both) return badCommand(fmt::format("matmul: batch_a={} and batch_b={} do not broadcast", text(op.batchA), text(op.batchB)));
  if (*both == op.batch) return {};
  return badCommand(fmt::format("matmul: batch={}, but batch_a={} and batch_b={} broadcast to {}", text(op.batch), text(op.batchA),
                                text(op.batchB), text(*both)));
}

Result<void> MatmulOp::validate() const {
  if (auto good = checkAxes(*this); !good) return good;
  bool known = std::none_of(batchB.begin(), batchB.end(), [](Dim dim) { return dim.any(); });
  if (constB && (n.any() || k.any() || !known))
    return badCommand("matmul: const=b needs known n, k and batch: a weight is packed once, in a layout that depends on them");
  const ElementFormat& format = formatOf(w);
  if (w != ElementType::F32 && !constB)
    return badCommand(fmt::format("matmul: w={} without const=b: only a weight has a type of its own", format.name));
  if (isQuantised(w) && (!tb || k.value % format.block != 0))
    return badCommand(fmt::format("matmul: w={} {}; its blocks are {} neighbours along k of a weight stored [n,k]", format.name,
                                  tb ? fmt::format("with k={}", text(k)) : "without tb=1", format.block));
  if (auto good = checkRounding(*this); !good) return good;
  if (auto good = checkForms(*this); !good) return good;
  for (const auto& [what, rows, columns] : {std::tuple{"A", m, k}, {"B", k, n}, {"C", m, n}}) {
    Shape all = batch.empty() ? Shape{Dim{1}} : batch;
    all.insert(all.end(), {rows, columns});
    if (auto good = checkShape(fmt::format("matmul: {}", what), all); !good) return good;
  }
  for (const auto& [name, shape] : operandShapes) {
    Shape full = shapeOfC();
    bool fits = shape.size() <= full.size();
    for (size_t i = 0; fits && i < shape.size(); ++i)
      fits = shape[shape.size() - 1 - i] == Dim{1} || shape[shape.size() - 1 - i] == full[full.size() - 1 - i];
    if (!fits) return badCommand(fmt::format("matmul: {}={} does not broadcast to the output's {}", name, text(shape), text(full)));
  }
  return {};
}

ElementType MatmulOp::mayArriveAs() const {
  if (a == RoundedTo::Q8) return ElementType::Q8;
  return a == RoundedTo::BF16 && !k.any() && k.value % 2 == 0 ? ElementType::BF16 : ElementType::F32;
}

std::span<const PieceTerm> MatmulOp::terms() const {
  static constexpr PieceTerm kWhole[] = {{0, 0}}, kHalf[] = {{0, 1}, {0, 0}}, kFloat[] = {{1, 1}, {0, 2}, {2, 0}, {0, 1}, {1, 0}, {0, 0}};
  if (a == RoundedTo::F32x3) return kFloat;
  if (a != RoundedTo::BF16) return {};
  return w == ElementType::F16 ? std::span<const PieceTerm>(kHalf) : kWhole;
}

int64_t MatmulOp::piecesOfA() const {
  int64_t most = 0;
  for (const PieceTerm& term : terms()) most = std::max<int64_t>(most, term.a + 1);
  return most;
}

int64_t MatmulOp::piecesOfB() const {
  int64_t most = 0;
  for (const PieceTerm& term : terms()) most = std::max<int64_t>(most, term.b + 1);
  return most;
}

double MatmulOp::flops() const {
  double outputs = static_cast<double>(m.value) * static_cast<double>(n.value) * static_cast<double>(batches());
  return outputs * (2.0 * static_cast<double>(k.value) + (ep == nullptr ? 0.0 : flopsOf(*ep)));
}

}  // namespace quern
