// tests/numeric/TilesTest.cpp — products on matrix units (dots=amx): the interpreter's tiles have the bits that hardware was recorded with,
// or of whole numbers those of their definition, lowered kernels those of the plain kernel, and the code is of its contract. Where AMX is,
// the code runs too.
#include "compiler/loops/Lower.h"
#include "compiler/loops/ir/LoopInterpreter.h"
#include "compiler/loops/ir/LoopPrinter.h"
#include "tests/Folders.h"
#include "tests/numeric/FloatKernels.h"
#include "tests/numeric/Interpreted.h"
#include "tests/numeric/Tiles.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

using namespace quern;

namespace {

/// As TDPBF16PS was recorded: A by rows, B in pairs of rows, the sums before and after.
struct Record {
  uint32_t mode;
  uint32_t a[16][16], b[16][16];
  float c[16][16], d[16][16];
};

std::vector<Record> records() {
  std::string path = sharedFile("vectors/tdpbf16ps.bin");
  if (!std::filesystem::exists(path)) return {};
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(bytes.starts_with("QTDPBF16"));
  uint32_t count = 0;
  std::memcpy(&count, bytes.data() + 8, 4);
  REQUIRE(bytes.size() == 12 + count * sizeof(Record));
  std::vector<Record> all(count);
  std::memcpy(static_cast<void*>(all.data()), bytes.data() + 12, count * sizeof(Record));
  return all;
}

/// out = c + a b, of tiles.
LoopProgram oneDot(const std::string& kind, const std::string& feature, const std::string& type) {
  auto matrix = [](const std::string& name, const std::string& element, const std::string& role) {
    return "buffer " + name + " : " + element + " " + role + " [16, 16] strides [16, 1]\n";
  };
  auto program = parseLoops("loops \"dot\"\nisa x86-64-v4 + " + feature + " + amx-tile\n" + matrix("a", "i32", "in") +
                                matrix("b", "i32", "in") + matrix("c", type, "in") + matrix("out", type, "out") +
                                "phase task tasks 1 {\n  tiles 16x16 16x16 16x16 {\n    tile_zero 0\n    tile_load 0 = c[0, 0]\n"
                                "    tile_load 1 = a[0, 0]\n    tile_load 2 = b[0, 0]\n    tile_dot 0 = " +
                                kind + "(1, 2)\n    tile_store out[0, 0] = 0\n  }\n}\n",
                            "dot");
  INFO((program ? "" : program.error().message));
  REQUIRE(program);
  REQUIRE(verifyLoops(*program));
  auto again = parseLoops(text(*program), "again");
  REQUIRE(again);
  CHECK(text(*again) == text(*program));
  return std::move(*program);
}

/// Buffers a, b, c, out through the interpreter, and through code where there is some.
void runDot(const LoopProgram& program, const std::optional<JitCode>& code, std::array<void*, 4> buffers,
            const std::function<void()>& check) {
  LoopArgs given;
  for (void* each : buffers) given.buffers.push_back(static_cast<std::byte*>(each));
  REQUIRE(interpret(program, given));
  check();
  if (!code) return;
  QuernArgs args{};
  args.buffers = buffers.data();
  code->entry(&args, 0, 1);
  check();
}

std::optional<JitCode> codeOf(const LoopProgram& program) {
  if (runsTiles()) return compiled(program);
  WARN("not run natively: this machine has no AMX");
  return std::nullopt;
}

std::vector<std::string> keysOf(const OpDesc& desc) {
  std::vector<std::string> all = {"", "mr=32 nr=16 panel=16 mc=32 nc=16 walk=halves",
                                  "mr=32 nr=16 panel=32 nc=32 walk=columns prefetch_c=below"};
  const auto& matmul = std::get<MatmulOp>(desc);
  if (matmul.a == RoundedTo::I8) all.insert(all.end(), {"inner=rows", "mr=16 nr=48 panel=48 mc=16 nc=48"});
  else if (matmul.makesPieces()) all.push_back("mr=16 nr=48 panel=48 mc=16 nc=48 kc=256");
  else all.insert(all.end(), {"kc=32 inner=rows", "mr=16 nr=48 panel=48 mc=16 nc=48 kc=64"});
  return all;
}

}  // namespace

TEST_CASE("recorded TDPBF16PS: a tile's dot gives every bit") {
  std::vector<Record> all = records();
  if (all.empty()) {
    WARN("skipped: the recorded vectors are not here");
    return;
  }
  LoopProgram program = oneDot("pairs", "amx-bf16", "f32");
  std::optional<JitCode> code = codeOf(program);
  int64_t wrong = 0;
  for (Record& record : all) {
    float out[16][16];
    runDot(program, code, {record.a, record.b, record.c, out}, [&] { wrong += differingNumbers(&record.d[0][0], &out[0][0], 256); });
  }
  std::cout << all.size() << " tiles compared\n";
  CHECK(wrong == 0);
}

TEST_CASE("a tile's dot of bytes multiplies rows with a sign by columns without, modulo 2^32") {
  LoopProgram program = oneDot("bytes", "amx-int8", "i32");
  std::optional<JitCode> code = codeOf(program);
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    int8_t a[16][64];
    uint8_t b[16][16][4];
    uint32_t c[16][16], out[16][16];
    auto byte = [&](int extreme) { return round % 2 == 0 ? static_cast<int>(random() % 256) : extreme; };
    for (auto& row : a)
      for (int8_t& each : row) each = static_cast<int8_t>(byte(round % 4 == 1 ? -128 : 127));
    for (uint8_t& each : std::span(&b[0][0][0], sizeof(b))) each = static_cast<uint8_t>(byte(255));
    for (uint32_t& each : std::span(&c[0][0], 256)) each = static_cast<uint32_t>(random());
    runDot(program, code, {a, b, c, out}, [&] {
      for (size_t m = 0; m < 16; ++m)
        for (size_t n = 0; n < 16; ++n) {
          int64_t sum = static_cast<int32_t>(c[m][n]);
          for (size_t k = 0; k < 64; ++k) sum += int64_t{a[m][k]} * b[k / 4][n][k % 4];
          REQUIRE(out[m][n] == static_cast<uint32_t>(sum));
        }
    });
  }
}

TEST_CASE("products on matrix units have the plain kernel's bits") {
  const char* const ops[] = {"matmul m=* n=33 k=97 const=b w=bf16 a=bf16 order=tile32",
                             "matmul m=* n=64 k=64 tb=1 const=b w=bf16 a=bf16 order=tile32 acc=1",
                             "matmul m=* n=15 k=31 const=b w=bf16 a=bf16 order=tile32 ep=bias+relu",
                             "matmul m=* n=70 k=130 tb=1 const=b w=bf16 a=bf16 order=tile32 batch=2 ep=bias+gelu_tanh+residual",
                             "matmul m=* n=48 k=1 const=b w=bf16 a=bf16 order=tile32 acc=1 ep=residual",
                             "matmul m=* n=32 k=66 tb=1 const=b w=bf16 a=bf16 order=tile32 in=bf16 out=bf16 ep=bias",
                             "matmul m=20 n=40 k=160 const=b w=bf16 a=bf16 order=tile32",
                             "matmul m=47 n=31 k=66 const=b w=bf16 a=bf16 order=tile32 ep=bias",
                             "matmul m=* n=33 k=96 tb=1 const=b w=q8_0 a=bf16 order=tile32 ep=bias",
                             "matmul m=* n=70 k=160 tb=1 const=b w=q4_0 a=bf16 order=tile32 batch=2 ep=bias+gelu_tanh+residual",
                             "matmul m=* n=40 k=512 tb=1 const=b w=q4_K a=bf16 order=tile32 acc=1",
                             "matmul m=47 n=31 k=512 tb=1 const=b w=q6_K a=bf16 order=tile32",
                             "matmul m=47 n=31 k=512 tb=1 const=b w=q3_K a=bf16 order=tile32",
                             "matmul m=47 n=31 k=512 tb=1 const=b w=mxfp4 a=bf16 order=tile32",
                             "matmul m=* n=33 k=97 const=b a=f32x3 order=tile32",
                             "matmul m=* n=64 k=64 tb=1 const=b a=f32x3 order=tile32 acc=1",
                             "matmul m=* n=15 k=31 const=b a=f32x3 order=tile32 ep=bias+relu",
                             "matmul m=* n=70 k=130 tb=1 const=b a=f32x3 order=tile32 batch=2 ep=bias+gelu_tanh+residual",
                             "matmul m=* n=48 k=1 const=b a=f32x3 order=tile32 out=bf16",
                             "matmul m=47 n=31 k=1100 const=b a=f32x3 order=tile32",
                             "matmul m=* n=33 k=97 const=b w=f16 a=bf16 order=tile32 ep=bias",
                             "matmul m=* n=70 k=160 tb=1 const=b w=f16 a=bf16 order=tile32 batch=2 acc=1",
                             "matmul m=* n=32 k=66 tb=1 const=b w=f16 a=bf16 order=tile32 in=bf16 out=bf16",
                             "matmul m=47 n=31 k=600 const=b w=f16 a=bf16 order=tile32",
                             "matmul m=* n=33 k=97 const=b w=i8 a=i8",
                             "matmul m=* n=64 k=64 tb=1 const=b w=i8 a=i8 acc=1",
                             "matmul m=* n=15 k=3 const=b w=i8 a=i8 ep=bias+relu",
                             "matmul m=* n=70 k=130 tb=1 const=b w=i8 a=i8 batch=2 ep=bias+gelu_tanh+residual",
                             "matmul m=* n=40 k=63 const=b w=i8 a=i8 out=bf16",
                             "matmul m=* n=32 k=65 tb=1 const=b w=i8 a=i8 acc=1 ep=residual",
                             "matmul m=20 n=40 k=160 const=b w=i8 a=i8",
                             "matmul m=47 n=31 k=48 const=b w=i8 a=i8 ep=bias"};
  Target tiles = tileTarget(), plain = runnableLevels().back();
  KernelLibrary library(plain, {}), native(tiles, {});
  int64_t compared = 0, ran = 0, zeros = 0, elements = 0;
  for (const char* given : ops)
    for (const std::string& keys : keysOf(op(given))) {
      OpDesc desc = op(given);
      auto chosen = parseSchedule(keys, desc, tiles);
      INFO(given << " | " << keys << (chosen ? "" : ": " + chosen.error().message));
      REQUIRE(chosen);
      REQUIRE(std::get<MatmulSchedule>(*chosen).dots == MatmulSchedule::DotsAmx);
      auto program = lower(desc, *chosen, tiles);
      REQUIRE(program);
      bool bytes = std::get<MatmulOp>(desc).a == RoundedTo::I8;
      CHECK(text(program->contract) == (bytes ? "x86-64-v4 + amx-int8 + amx-tile" : "x86-64-v4 + amx-bf16 + amx-tile"));
      auto again = parseLoops(text(*program), "again");
      REQUIRE(again);
      CHECK(text(*again) == text(*program));
      KernelInfo info = kernelInfoOf(*program, desc, *chosen);
      auto kernel = library.kernels(desc);
      REQUIRE(kernel);
      bool open = !runtimeDims(desc).empty();
      for (int64_t m : open ? std::vector<int64_t>{1, 15, 16, 17, 32, 50} : std::vector<int64_t>{0})
        for (InputData data : {InputData::ZeroMean, InputData::Specials}) {
          DimValues dims;
          if (open) dims["m"] = m;
          CheckRun run{data, static_cast<uint64_t>(40 + m), Flush::End, 0};
          auto expected = runKernel(*kernel, makeInputs(fixed(desc, dims), run.data, run.seed), dims, run);
          REQUIRE(expected);
          INFO("m=" << m);
          std::vector<float> slow = interpreted(*program, info, fixed(desc, dims), dims, run);
          REQUIRE(slow.size() == expected->size());
          CHECK(differingNumbers(slow.data(), expected->data(), slow.size()) == 0);
          for (float each : slow) zeros += each == 0;
          elements += static_cast<int64_t>(slow.size());
          ++compared;
          if (!runsTiles()) continue;
          auto here = native.get(desc, *chosen);
          REQUIRE(here);
          auto report = checkKernel(*here, desc, dims, run.seed);
          REQUIRE(report);
          INFO(report->failure);
          CHECK(report->passed);
          auto fast = runKernel(*here, makeInputs(fixed(desc, dims), run.data, run.seed), dims, run);
          REQUIRE(fast);
          CHECK(differingNumbers(fast->data(), expected->data(), slow.size()) == 0);
          ++ran;
        }
    }
  std::cout << compared << " products compared, " << ran << " run on matrix units\n";
  if (ran == 0) WARN("not run natively: this machine has no AMX");
  REQUIRE(compared > 100);
  CHECK(zeros < elements / 2);
}

TEST_CASE("kernels on matrix units are of their contract") {
  auto api = codegenModule();
  REQUIRE(api);
  struct {
    const char *given, *feature, *instruction;
  } cases[] = {{"w=bf16 a=bf16 order=tile32", "amx-bf16", "tdpbf16ps"},
               {"a=f32x3 order=tile32", "amx-bf16", "tdpbf16ps"},
               {"w=i8 a=i8", "amx-int8", "tdpbsud"},
               {"attention heads=4 kv_heads=2 head_dim=64 q=* kv=* causal=1 kv_type=bf16 a=bf16 order=tile32", "amx-bf16", "tdpbf16ps"}};
  for (const auto& one : cases) {
    bool product = !std::string_view(one.given).starts_with("attention");
    OpDesc desc = op(product ? fmt::format("matmul m=* n=64 k=80 const=b {} ep=bias", one.given) : one.given);
    Schedule schedule = defaultSchedule(desc, tileTarget());
    auto program = lower(desc, schedule, tileTarget());
    REQUIRE(program);
    auto object = (*api)->emitObject(*program, kKernelSymbol);
    INFO(one.given << (object ? "" : object.error().message));
    REQUIRE(object);
    auto said = [&](const std::string& features) {
      auto good = (*api)->checkContract(*object, *parseContract("x86-64-v4 + " + features));
      return good ? "" : good.error().message;
    };
    std::string feature = one.feature;
    CHECK(said(feature + " + amx-tile") == "");
    CHECK_THAT(said("amx-tile"), Catch::Contains(one.instruction) && Catch::Contains("needs " + feature));
    CHECK_THAT(said(feature), Catch::Contains("needs amx-tile"));
    KernelArtifact artifact;
    artifact.info = kernelInfoOf(*program, desc, schedule);
    artifact.object = *object;
    auto loaded = loadArtifact(artifact, "test");
    CHECK(static_cast<bool>(loaded) == runsTiles());
    if (!loaded) CHECK_THAT(loaded.error().message, Catch::Contains("the kernel needs") && Catch::Contains("which this CPU lacks"));
  }
}
