// tests/unit/TextFormsTest.cpp — parse(text(x)) == x for ops, schedules, targets, formulas, kernel infos, records.
#include "compiler/base/Files.h"
#include "compiler/base/Formula.h"
#include "compiler/base/Text.h"
#include "compiler/loops/Lower.h"
#include "compiler/op/OpFile.h"
#include "compiler/store/TuningDb.h"
#include "compiler/target/CpuFeatures.h"
#include "compiler/target/HostTarget.h"

#include <catch2/catch.hpp>

using namespace quern;

static const char* const kOps[] = {
    "matmul m=64 n=768 k=768 ep=bias+gelu_tanh",
    "matmul m=* n=50257 k=768 tb=1 const=b",
    "matmul m=3 n=4 k=5 batch=2 ta=1 acc=1 ep=bias+residual",
    "matmul m=3 n=4 k=5 batch=2x*x1 batch_a=*x1 batch_b=2x1x1",
    "matmul m=* n=4 k=5 batch=* batch_b=scalar const=b",
    "matmul m=1 n=4 k=5 batch=2 vector=a",
    "matmul m=1 n=1 k=5 vector=ab acc=1",
    "matmul m=8 n=16 k=4 ep=\"silu(x) * gate\" gate=8x16",
    "matmul m=* n=16 k=40 tb=1 const=b w=i8 a=i8",
    "attention heads=4 kv_heads=2 head_dim=8 q=* kv=* causal=1 kv_type=f16 batch=* v_dim=12 softcap=30 mask=*x1x*x* lens=1",
    "attention heads=4 kv_heads=2 head_dim=8 q=* kv=* causal=1 window=512 sinks=1",
    "rope x=*x2x64 pairs=half to=f16 turned=32",
    "attention heads=4 kv_heads=2 head_dim=8 q=3 kv=5 scale=0.5 mask=4x3x1",
    "map expr=\"gelu_tanh(a + b) * c - 1.5\" a=4x5 b=5 c=1x5",
    "map expr=\"a - (b - c) / (a * b)\" a=*x8 b=8 c=scalar",
    "add a=100x100 b=100",
    "gelu x=98304 form=tanh",
    "gelu x=*",
    "relu x=3x4x5",
    "softmax x=12x128x128 scale=0.125 causal=1",
    "softmax x=2x3x4 axis=1",
    "reduce x=3x4 axis=0 f=mean",
    "layernorm x=128x768 eps=1e-06",
    "rmsnorm x=*x64",
    "embedding t=* v=256 d=128",
    "embedding t=*x8 v=* d=128 bag=1",
    "transpose x=3x4x5 perm=2,0,1",
    "attention heads=8 kv_heads=2 head_dim=64 q=* kv=* causal=topleft scale=0.5",
    "attention heads=8 kv_heads=2 head_dim=64 q=* kv=* kv_type=bf16 a=bf16 order=tile32",
    "attention heads=8 kv_heads=2 head_dim=64 q=* kv=* causal=1 kv_type=q8_0",
    "rope x=*x2x64 pairs=half to=q8_0",
    "cast x=*x128 from=f16 to=q8_0",
    "cast x=scalar from=i64 to=bool",
    "transpose x=scalar",
};

TEST_CASE("op text goes both ways") {
  for (const char* given : kOps) {
    auto op = parseOp(given);
    INFO(given);
    REQUIRE(op);
    CHECK(text(*op) == given);
    auto again = parseOp(text(*op));
    REQUIRE(again);
    CHECK(text(*again) == text(*op));
  }
}

TEST_CASE("the TOML forms give the same op as the text") {
  auto root = parseToml(
      "[[op]]\ntext = \"matmul m=64 n=32 k=16 const=b ep=bias+relu\"\n"
      "[[op]]\nop = \"matmul\"\nm = 64\nn = 32\nk = 16\nconst = \"b\"\nep = \"bias+relu\"\nid = \"x\"\n"
      "[[op]]\nop = \"softmax\"\nx = [16, 128]\nscale = 0.5\n",
      "t.toml");
  REQUIRE(root);
  auto file = parseOpFile(*root, "t.toml");
  REQUIRE(file);
  REQUIRE(file->entries.size() == 3);
  CHECK(text(file->entries[0].op) == text(file->entries[1].op));
  CHECK(file->entries[1].id == "x");
  CHECK(text(file->entries[2].op) == "softmax x=16x128 scale=0.5");
}

TEST_CASE("every suite in configs parses and its default schedules are legal on every CPU in configs") {
  int ops = 0;
  std::vector<std::string> cpus = configNames("cpu");
  REQUIRE(cpus.size() > 5);
  cpus.emplace_back("host");
  for (const std::string& suite : configNames("suites")) {
    auto file = readOpFile(*findConfig("suites", suite));
    REQUIRE(file);
    for (const std::string& cpu : cpus) {
      auto target = findTarget(cpu);
      REQUIRE(target);
      CHECK(*parseTarget(text(*target)) == *target);
      for (const OpEntry& entry : file->entries) {
        Schedule schedule = defaultSchedule(entry.op, *target);
        INFO(text(entry.op) << " on " << cpu << ": " << text(schedule));
        CHECK(validate(schedule, entry.op, *target));
        auto parsed = parseSchedule(text(schedule), entry.op, *target);
        REQUIRE(parsed);
        CHECK(*parsed == schedule);
        auto program = lower(entry.op, schedule, *target);
        REQUIRE(program);
        KernelInfo info = kernelInfoOf(*program, entry.op, schedule);
        auto again = parseKernelInfo(text(info));
        REQUIRE(again);
        CHECK(*again == info);
        ++ops;
      }
    }
  }
  CHECK(ops > 400);
}

TEST_CASE("every op's keys in TOML give the op that its text gives") {
  for (const char* given : kOps) {
    auto keys = parseKeyValues(given, "op", true);
    REQUIRE(keys);
    std::string toml = "[[op]]\nop = \"" + keys->head + "\"\n";
    for (const auto& [key, value] : keys->pairs) {
      auto number = parseInt(value);
      toml += key + " = " + (number ? value : tomlQuoted(value)) + "\n";
    }
    auto root = parseToml(toml, "t.toml");
    REQUIRE(root);
    auto file = parseOpFile(*root, "t.toml");
    INFO(toml << (file ? "" : file.error().message));
    REQUIRE(file);
    CHECK(text(file->entries.at(0).op) == given);
  }
}

TEST_CASE("contracts") {
  for (const char* given : {"x86-64", "x86-64-v4", "x86-64-v4 + avx512bf16 + avx512vnni", "aarch64 + dotprod"})
    CHECK(text(*parseContract(given)) == given);
  CHECK(text(*parseContract("x86-64-v3+gfni + avxvnni")) == "x86-64-v3 + avxvnni + gfni");
  for (const auto& [given, says] : {std::pair{"x86-64-v9", "is no base level; levels: x86-64 "},
                                    {"x86-64-v3 + avx512_vnni", "'avx512_vnni' is no feature"},
                                    {"x86-64-v3 + gfni + gfni", "names gfni twice"},
                                    {"", "is no base level"},
                                    {"x86-64 +", "'' is no feature"}}) {
    auto refused = parseContract(given);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find(says) != std::string::npos);
  }
  Target narrow = *parseTarget("narrow level=x86-64-v4 features=avx512bf16"),
         wide = *parseTarget("wide level=x86-64-v4 features=avx512vnni,gfni");
  CHECK(parseContract("x86-64-v4 + avx512vnni")->lackingOn(narrow) == std::vector<std::string>{"avx512vnni"});
  CHECK(parseContract("x86-64-v4 + avx512vnni")->lackingOn(wide).empty());
  CHECK(parseContract("x86-64-v3")->lackingOn(narrow).empty());
  CHECK_FALSE(parseContract("aarch64")->lackingOn(wide).empty());
  CHECK_FALSE(parseTarget("wrong level=x86-64-v4 features=avx512_vnni"));
}

TEST_CASE("a CPU without some of its features") {
  auto whole = findTarget("zen5"), part = findTarget("zen5 -avx512vnni -gfni");
  REQUIRE(whole);
  REQUIRE(part);
  CHECK(part->name == "zen5-avx512vnni-gfni");
  CHECK(part->lackingFor(*whole) == std::vector<std::string>{"avx512vnni", "gfni"});
  CHECK(whole->lackingFor(*part).empty());
  CHECK(*parseTarget(text(*part)) == *part);
  CHECK(findTarget("zen5  -gfni ")->name == "zen5-gfni");
  for (const std::string& feature : reportedFeatures()) CHECK(isFeature(feature));
  for (const char* wrong : {"zen5 -avx512_vnni", "zen5 -avx2", "zen5 -gfni gfni", "zen6 -gfni"}) CHECK_FALSE(findTarget(wrong));
}

TEST_CASE("formulas") {
  std::vector<std::string> names = {"m", "kv"};
  std::vector<int64_t> values = {100, 7};
  auto value = [&](const char* formula) {
    auto parsed = Formula::parse(formula, names);
    REQUIRE(parsed);
    return parsed->evaluate(values);
  };
  CHECK(value("ceildiv(m, 96) * 4") == 8);
  CHECK(value("((m + 3) / 4) - kv % 4") == 22);
  CHECK(value("max(kv, 1) * min(m, 3)") == 21);
  CHECK_FALSE(value("m / (kv - 7)").has_value());
  CHECK_FALSE(value("9223372036854775807 * m").has_value());
  CHECK_FALSE(Formula::parse("m +", names));
  CHECK_FALSE(Formula::parse("unknown", names));
  CHECK_FALSE(Formula::parse(std::string(100, '('), names));
}

TEST_CASE("layouts of weights") {
  for (ElementType type : {ElementType::F32, ElementType::BF16, ElementType::Q4_0, ElementType::Q6_K})
    for (const PackLayout& layout : {PackLayout{24, 768, 3072, 1, true, type}, PackLayout{16, 256, 7, 12, false, type}, PackLayout{}}) {
      auto again = parsePackLayout(text(layout));
      INFO(text(layout) << (again ? "" : ": " + again.error().message));
      REQUIRE(again);
      CHECK(*again == layout);
    }
  CHECK(text(PackLayout{24, 768, 3072, 1, true, ElementType::Q4_0}) == "type=q4_0 panel=24 depth=768 columns=3072 batch=1 transposed=1");
  for (const char* bad : {"type=q5_2 panel=8", "panel=x", "panel=5000", "depth=-1", "lanes=4", "transposed=2"}) {
    INFO(bad);
    CHECK_FALSE(parsePackLayout(bad));
  }
}

TEST_CASE("tuning records go both ways") {
  TuningRecord record{TuningRecord::Kind::Tuned,
                      "map expr='a + b' a=3 b=3",
                      "x86-64-v4 on X",
                      "lanes=16 unroll=2",
                      1.25,
                      1234.5,
                      17,
                      "measure",
                      "2026-11-22T08:00:00Z",
                      4};
  auto again = parseTuningRecord(text(record));
  REQUIRE(again);
  CHECK(text(*again) == text(record));
  CHECK_FALSE(parseTuningRecord(text(record).substr(0, 40)));
}

TEST_CASE("numbers print shortest and parse back") {
  for (float value : {0.1f, 1e-45f, 3.4028235e38f, -0.0f, 16777216.0f}) CHECK(static_cast<float>(*parseDouble(shortest(value))) == value);
  CHECK_FALSE(parseInt("12x").has_value());
  CHECK_FALSE(parseInt("9223372036854775808").has_value());
  CHECK_FALSE(parseDouble("nan").has_value());
}
