// tests/numeric/AttentionTilesTest.cpp — attention on matrix units (dots=amx): interpreted, it has the bits of the plain kernel, on
// ordinary numbers and where a key that a row does not see, or what lies behind the last, is an Inf or a NaN. Where AMX is, the code runs
#include "compiler/jit/LoopsKernel.h"
#include "compiler/loops/Lower.h"
#include "tests/numeric/FloatKernels.h"
#include "tests/numeric/Interpreted.h"
#include "tests/numeric/Tiles.h"

#include <algorithm>
#include <iostream>

using namespace quern;

namespace {

struct Sizes {
  int64_t q, kv;
};

/// Of what a value is made not finite: none, one of the last key, one in the middle, Inf and NaN by turns.
enum class Spoilt { None, Last, Middle };

/// Which keys: the last, or that of the first row and the one behind it.
void spoil(CheckInputs& inputs, const AttentionOp& op, Spoilt spoilt) {
  if (spoilt == Spoilt::None) return;
  int64_t keys = op.kv.value, row = op.kvHeads.value * op.headDim.value;
  auto* values = reinterpret_cast<uint16_t*>(inputs.arrays[2].data());
  int64_t first = spoilt == Spoilt::Last ? keys - 1 : std::max<int64_t>(0, keys - op.q.value);
  for (int64_t key = first; key < std::min(keys, first + 2); ++key)
    for (int64_t d : {int64_t{3}, op.headDim.value - 1}) values[key * row + d] = key % 2 == 0 ? 0x7f80 : 0xffc1;
}

}  // namespace

TEST_CASE("attention on matrix units has the plain kernel's bits") {
  constexpr const char* kForms[] = {"heads=2 kv_heads=1 head_dim=64 causal=1", "heads=2 kv_heads=2 head_dim=32 causal=1",
                                    "heads=3 kv_heads=1 head_dim=96 causal=topleft", "heads=1 kv_heads=1 head_dim=128",
                                    "heads=1 kv_heads=1 head_dim=256 causal=1 scale=2"};
  constexpr Sizes kSizes[] = {{1, 1}, {17, 17}, {64, 64}, {70, 70}, {33, 129}, {48, 96}, {5, 200}};
  Target tiles = tileTarget(), plain = runnableLevels().back();
  KernelLibrary library(plain, {}), native(tiles, {});
  int64_t compared = 0, ran = 0, finite = 0, elements = 0;
  for (const char* form : kForms)
    for (const char* keys : {"", "rows=16 mr=2", "split=1 rows=16"}) {
      OpDesc desc = op(fmt::format("attention {} q=* kv=* kv_type=bf16 a=bf16 order=tile32", form));
      auto chosen = parseSchedule(keys, desc, tiles);
      INFO(text(desc) << " | " << keys << (chosen ? "" : ": " + chosen.error().message));
      REQUIRE(chosen);
      REQUIRE(std::get<AttentionSchedule>(*chosen).dots == AttentionSchedule::DotsAmx);
      auto program = lower(desc, *chosen, tiles);
      REQUIRE(program);
      CHECK(text(program->contract) == "x86-64-v4 + amx-bf16 + amx-tile");
      KernelInfo info = kernelInfoOf(*program, desc, *chosen);
      auto kernel = library.kernels(desc);
      REQUIRE(kernel);
      for (auto [q, kv] : kSizes)
        for (Spoilt spoilt : {Spoilt::None, Spoilt::Last, Spoilt::Middle}) {
          DimValues dims{{"q", q}, {"kv", kv}};
          CheckRun run{InputData::ZeroMean, static_cast<uint64_t>(q + kv), Flush::End, 0};
          CheckInputs inputs = makeInputs(fixed(desc, dims), run.data, run.seed);
          spoil(inputs, std::get<AttentionOp>(inputs.op), spoilt);
          auto expected = runKernel(*kernel, inputs, dims, run);
          REQUIRE(expected);
          INFO("q=" << q << " kv=" << kv << " spoilt " << static_cast<int>(spoilt));
          std::vector<float> slow = interpreted(*program, info, inputs, dims);
          REQUIRE(slow.size() == expected->size());
          CHECK(differingNumbers(slow.data(), expected->data(), slow.size()) == 0);
          finite += std::count_if(slow.begin(), slow.end(), [](float each) { return std::isfinite(each) && each != 0; });
          elements += static_cast<int64_t>(slow.size());
          ++compared;
          if (!runsTiles()) continue;
          auto here = native.get(desc, *chosen);
          REQUIRE(here);
          auto fast = runKernel(*here, inputs, dims, run);
          REQUIRE(fast);
          CHECK(differingNumbers(fast->data(), expected->data(), slow.size()) == 0);
          ++ran;
        }
    }
  std::cout << compared << " calls compared, " << ran << " run on matrix units\n";
  if (ran == 0) WARN("not run natively: this machine has no AMX");
  CHECK(compared == 5 * 3 * 7 * 3);
  CHECK(finite > elements / 2);
}
