// tests/numeric/TilesTest.cpp — products on matrix units (dots=amx): the interpreter's tiles have the bits that hardware was recorded with,
// lowered kernels those of the plain kernel, and the code is of its contract. Where AMX is, the code runs too.
#include "compiler/loops/Lower.h"
#include "compiler/loops/ir/LoopInterpreter.h"
#include "compiler/loops/ir/LoopPrinter.h"
#include "tests/Folders.h"
#include "tests/numeric/FloatKernels.h"
#include "tests/numeric/Interpreted.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

using namespace quern;

namespace {

Target tileTarget() { return *parseTarget("tiles level=x86-64-v4 features=amx-bf16,amx-tile"); }
bool runsTiles() { return hostTarget().lackingFor(tileTarget()).empty(); }

int64_t differingNumbers(const float* a, const float* b, size_t count) {
  int64_t wrong = 0;
  for (size_t i = 0; i < count; ++i) wrong += std::memcmp(&a[i], &b[i], 4) != 0 && !(std::isnan(a[i]) && std::isnan(b[i]));
  return wrong;
}

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

LoopProgram oneDot() {
  auto program = parseLoops(
      "loops \"dot\"\nisa x86-64-v4 + amx-bf16 + amx-tile\nbuffer a : i32 in [16, 16] strides [16, 1]\n"
      "buffer b : i32 in [16, 16] strides [16, 1]\nbuffer c : f32 in [16, 16] strides [16, 1]\n"
      "buffer out : f32 out [16, 16] strides [16, 1]\nphase task tasks 1 {\n  tiles 16x16 16x16 16x16 {\n    tile_zero 0\n"
      "    tile_load 0 = c[0, 0]\n    tile_load 1 = a[0, 0]\n    tile_load 2 = b[0, 0]\n    tile_dot 0 = pairs(1, 2)\n"
      "    tile_store out[0, 0] = 0\n  }\n}\n",
      "dot");
  INFO((program ? "" : program.error().message));
  REQUIRE(program);
  REQUIRE(verifyLoops(*program));
  auto again = parseLoops(text(*program), "again");
  REQUIRE(again);
  CHECK(text(*again) == text(*program));
  return std::move(*program);
}

std::vector<std::string> keysOf(const OpDesc& desc) {
  std::vector<std::string> all = {"", "mr=32 nr=16 panel=16 mc=32 nc=16 walk=halves",
                                  "mr=32 nr=16 panel=32 nc=32 walk=columns prefetch_c=below"};
  if (std::get<MatmulOp>(desc).roundsWeight()) all.push_back("mr=16 nr=48 panel=48 mc=16 nc=48 kc=256");
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
  LoopProgram program = oneDot();
  std::optional<JitCode> code;
  if (runsTiles()) code = compiled(program);
  else WARN("not run natively: this machine has no AMX");
  int64_t wrong = 0;
  for (Record& record : all) {
    float out[16][16];
    void* buffers[] = {record.a, record.b, record.c, out};
    LoopArgs given;
    for (void* each : buffers) given.buffers.push_back(static_cast<std::byte*>(each));
    REQUIRE(interpret(program, given));
    wrong += differingNumbers(&record.d[0][0], &out[0][0], 256);
    if (!code) continue;
    QuernArgs args{};
    args.buffers = buffers;
    code->entry(&args, 0, 1);
    wrong += differingNumbers(&record.d[0][0], &out[0][0], 256);
  }
  std::cout << all.size() << " tiles compared\n";
  CHECK(wrong == 0);
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
                             "matmul m=47 n=31 k=512 tb=1 const=b w=q6_K a=bf16 order=tile32"};
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
      CHECK(text(program->contract) == "x86-64-v4 + amx-bf16 + amx-tile");
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
  OpDesc desc = op("matmul m=* n=64 k=80 const=b w=bf16 a=bf16 order=tile32 ep=bias");
  auto program = lower(desc, defaultSchedule(desc, tileTarget()), tileTarget());
  REQUIRE(program);
  auto object = (*api)->emitObject(*program, kKernelSymbol);
  INFO((object ? "" : object.error().message));
  REQUIRE(object);
  auto said = [&](const char* contract) {
    auto good = (*api)->checkContract(*object, *parseContract(contract));
    return good ? "" : good.error().message;
  };
  CHECK(said("x86-64-v4 + amx-bf16 + amx-tile") == "");
  CHECK_THAT(said("x86-64-v4 + amx-tile"), Catch::Contains("tdpbf16ps") && Catch::Contains("needs amx-bf16"));
  CHECK_THAT(said("x86-64-v4 + amx-bf16"), Catch::Contains("needs amx-tile"));
  KernelArtifact artifact;
  artifact.info = kernelInfoOf(*program, desc, defaultSchedule(desc, tileTarget()));
  artifact.object = *object;
  auto loaded = loadArtifact(artifact, "test");
  CHECK(static_cast<bool>(loaded) == runsTiles());
  if (!loaded) CHECK_THAT(loaded.error().message, Catch::Contains("the kernel needs") && Catch::Contains("which this CPU lacks"));
}
