// tests/numeric/HandedOnTest.cpp — rows handed on as bf16 or q8: what a block holds, and that products of such rows have the bits of those
// that round them themselves, on every level; a plan hands on where it changes no bit, and nowhere else.
#include "compiler/base/Half.h"
#include "compiler/op/BlockFormat.h"
#include "compiler/op/BlockValues.h"
#include "compiler/store/CallArguments.h"
#include "runtime/PlanSession.h"
#include "tests/numeric/KernelRuns.h"

#include <algorithm>
#include <iostream>

using namespace quern;

namespace {

constexpr int64_t kWidth = 512, kColumns = 96;
using Bytes = std::vector<std::byte>;

std::vector<float> drawnRows(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<float> rows(static_cast<size_t>(count));
  for (float& each : rows) each = drawn(InputData::ZeroMean, random);
  return rows;
}

Bytes drawnWeight(ElementType type, int64_t elements) {
  std::mt19937_64 random(7);
  Bytes bytes(static_cast<size_t>(bytesOf(type, elements)));
  drawBlocks(type, elements, bytes.data(), InputData::ZeroMean, random);
  return bytes;
}

/// One call on dense arrays: the inputs, then what comes out, as so many elements of `type`.
Bytes outputOfCall(const KernelSet& kernel, const OpDesc& bound, int64_t m, const std::vector<const void*>& inputs,
                   const TaskRunner& runner) {
  CallArguments arguments(bound, {{kernel.info().dims[0], m}});
  for (size_t i = 0; i < inputs.size(); ++i) arguments.input(i, inputs[i]);
  TensorSpec spec = outputOf(bound);
  Bytes out(static_cast<size_t>(bytesOf(spec.type, spec.elements())), std::byte{0x5a});
  arguments.output(out.data());
  auto call = arguments.call(kernel, 3);
  REQUIRE(call);
  m % 2 == 0 ? call->run(runner) : call->run();
  return out;
}

/// Rows of f32 as another type, as op/BlockValues.h has it.
Bytes roundedTo(ElementType type, const Bytes& rows) {
  auto count = static_cast<int64_t>(rows.size() / 4);
  std::vector<float> x(static_cast<size_t>(count));
  std::memcpy(x.data(), rows.data(), rows.size());
  Bytes out(static_cast<size_t>(bytesOf(type, count)));
  for (int64_t i = 0; i < count; i += formatOf(type).block) {
    std::byte* to = out.data() + bytesOf(type, i);
    if (type == ElementType::Q8) storeCoded(codedBlock(x.data() + i), to);
    else *reinterpret_cast<uint16_t*>(to) = bfloatOfFloat(x[static_cast<size_t>(i)]);
  }
  return out;
}

}  // namespace

TEST_CASE("a block of q8 holds codes, their scale and multiples of their sums") {
  std::vector<float> x = drawnRows(CodedBlock::kElements, 3);
  CodedBlock coded = codedBlock(x.data());
  std::byte block[64];
  storeCoded(coded, block);
  int32_t words[8];
  float scale = 0, less = 0;
  std::memcpy(words, block, sizeof words);
  std::memcpy(&scale, block, 4), std::memcpy(&less, block + 4, 4);
  int halves[2] = {0, 0};
  for (int i = 0; i < CodedBlock::kElements; ++i) {
    halves[i / 16] += coded.codes[i];
    CHECK(static_cast<int8_t>(block[32 + 16 * (i / 16) + 4 * (i % 4) + i % 16 / 4]) == coded.codes[i]);
  }
  int all = halves[0] + halves[1];
  REQUIRE(all != 0);
  CHECK(scale == coded.scale);
  CHECK(less == static_cast<float>(-all));
  CHECK(std::vector<int>(words + 2, words + 8) == std::vector<int>{-8 * all, -128 * all, -32 * halves[0], -32 * halves[1], 0, 0});
  bool consistent = false;
  CodedBlock again = loadCoded(block, &consistent);
  CHECK(consistent);
  CHECK(std::equal(std::begin(again.codes), std::end(again.codes), std::begin(coded.codes)));
  block[40] ^= std::byte{1};
  loadCoded(block, &consistent);
  CHECK(!consistent);
}

TEST_CASE("products of rows handed on have the bits of products that round them") {
  struct Form {
    ElementType weight;
    const char* keys;
    ElementType handed;
  };
  std::vector<Form> forms = {{ElementType::BF16, "a=bf16 order=pairs", ElementType::BF16},
                             {ElementType::BF16, "a=bf16 order=tile32", ElementType::BF16},
                             {ElementType::F16, "a=bf16 order=pairs", ElementType::BF16}};
  for (const BlockFormat& blocks : blockFormats()) forms.push_back({blocks.type, "a=q8", ElementType::Q8});
  ThreadPool pool(3);
  TaskRunner runner = runnerOf(pool);
  std::vector<float> gain = drawnRows(kWidth, 4);
  int64_t compared = 0;
  auto same = [&](const Bytes& a, const Bytes& b, const std::string& what) {
    INFO(what);
    CHECK((a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0));
    ++compared;
  };
  for (const Target& target : levelsAnd({"wide level=x86-64-v4 features=avx512vnni,avx512bf16", "vex level=x86-64-v3 features=avxvnni"})) {
    KernelLibrary library(target, {});
    for (const Form& form : forms) {
      Bytes weight = drawnWeight(form.weight, kColumns * kWidth);
      std::string product = fmt::format("matmul m=* n={} k={} tb=1 const=b w={} {}", kColumns, kWidth, text(form.weight), form.keys);
      std::string as = std::string(text(form.handed)), norm = fmt::format("rmsnorm x=*x{}", kWidth), ep = " ep=\"silu(x) * 3\"";
      auto run = [&](const std::string& one, int64_t m, const std::vector<const void*>& inputs) {
        OpDesc desc = op(one);
        KernelSet kernel = kernelOf(library, desc);
        return outputOfCall(kernel, fixed(desc, {{kernel.info().dims[0], m}}), m, inputs, runner);
      };
      for (int64_t m : {1, 2, 5, 18, 40}) {
        std::string where = fmt::format("{} m={} on {}", product, m, text(target));
        std::vector<float> x = drawnRows(m * kWidth, static_cast<uint64_t>(m));
        std::fill_n(x.begin() + 64, 32, 0.0F);
        Bytes rows = run(norm, m, {x.data(), gain.data()}), handed = run(norm + " out=" + as, m, {x.data(), gain.data()});
        same(handed, roundedTo(form.handed, rows), "norm, " + where);
        Bytes expected = run(product, m, {rows.data(), weight.data()});
        same(run(product + " in=" + as, m, {handed.data(), weight.data()}), expected, where);
        Bytes ended = run(product + ep, m, {rows.data(), weight.data()});
        for (ElementType out : {ElementType::BF16, ElementType::Q8})
          same(run(fmt::format("{}{} in={} out={}", product, ep, as, text(out)), m, {handed.data(), weight.data()}), roundedTo(out, ended),
               fmt::format("out={}, {}", text(out), where));
      }
    }
  }
  std::cout << compared << " results compared\n";
  REQUIRE(compared > 0);
}

namespace {

/// A norm and two products of its rows, run as a plan. What the products give, and the plan's ops.
struct Handed {
  std::vector<float> out;
  std::vector<std::string> ops;
};

struct TwoProducts {
  std::string keys[2] = {"a=q8", "a=q8"};
  bool residual = false;  ///< the second adds the norm's rows
  int64_t column = 0;     ///< of the norm's rows, where the second begins to read
};

Handed runPlan(const TwoProducts& given, bool handsOn) {
  constexpr int64_t kRows = 5, kSize = 64;
  static KernelLibrary library(hostTarget(), {});
  std::vector<float> x = drawnRows(kRows * kSize, 1), gain = drawnRows(kSize, 2), out(2 * kRows * kSize);
  std::vector<Bytes> weights;
  PlanBuilder builder;
  PlanDim flying = builder.dimension("rows", kRows);
  PlanBuffer normed = builder.activation(kSize + given.column, flying);
  auto rows = [&](PlanBuffer buffer, int64_t column = 0) { return PlanView{buffer, column, {kSize + given.column}, kSize + given.column}; };
  builder.step(
      {"norm", op(fmt::format("rmsnorm x=*x{}", kSize)), {flying}, {{builder.outside(0)}, {builder.constant(gain.data())}, rows(normed)}});
  for (int i = 0; i < 2; ++i) {
    bool adds = given.residual && i == 1;
    weights.push_back(drawnWeight(ElementType::Q8_0, kSize * kSize));
    OpDesc product = op(fmt::format("matmul m=* n={0} k={0} tb=1 const=b w=q8_0 {1}{2}", kSize, given.keys[i], adds ? " ep=residual" : ""));
    KernelSet kernel = kernelOf(library, product);
    Bytes packed(static_cast<size_t>(kernel.packing()->bytes()));
    packWeight(*kernel.packing(), weights.back().data(), packed.data());
    weights.back() = packed;
    PlanStep step{"product", product, {flying}, {rows(normed, i == 1 ? given.column : 0), {builder.constant(weights.back().data())}}};
    if (adds) step.operands.push_back(rows(normed));
    step.operands.push_back({builder.outside(1), i * kSize, {2 * kSize}, 2 * kSize});
    builder.step(std::move(step));
  }
  if (handsOn) builder.handOnRounded();
  Handed result;
  for (const PlanStep* step : builder.kernelSteps()) result.ops.push_back(text(step->op));
  auto plan = builder.finish([&](const OpDesc& desc) { return library.kernels(desc); });
  REQUIRE(plan);
  auto session = PlanSession::make(*plan, 2);
  REQUIRE(session);
  (*session)->run(std::array{kRows}, {x.data(), out.data()});
  result.out = out;
  return result;
}

bool anyHandsOn(const Handed& run) {
  return std::any_of(run.ops.begin(), run.ops.end(), [](const std::string& op) {
    return op.find("=q8 ") != std::string::npos && (op.find("in=") != std::string::npos || op.find("out=") != std::string::npos);
  });
}

}  // namespace

TEST_CASE("a plan hands on rows that all who read them round alike, and no others") {
  Handed apart = runPlan({}, false), handed = runPlan({}, true);
  CHECK(handed.ops[0].find("out=q8") != std::string::npos);
  for (size_t i : {1, 2}) CHECK(handed.ops[i].find("in=q8") != std::string::npos);
  CHECK(differing(apart.out, handed.out) == "");
  CHECK(std::count(handed.out.begin(), handed.out.end(), 0.0F) < 10);
  for (const TwoProducts& other :
       {TwoProducts{{"a=q8", ""}}, TwoProducts{{"a=q8", "a=q8"}, true}, TwoProducts{{"a=q8", "a=q8"}, false, 32}}) {
    Handed kept = runPlan(other, true);
    CHECK(kept.ops == runPlan(other, false).ops);
    CHECK(!anyHandsOn(kept));
  }
}
