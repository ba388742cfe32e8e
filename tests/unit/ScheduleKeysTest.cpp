// tests/unit/ScheduleKeysTest.cpp — keys of schedules beside tiles and blocks: their text goes both ways, defaults leave them off, what is
// illegal is refused, what cannot matter is dropped, costs follow them.
#include "compiler/op/BlockFormat.h"
#include "tests/Support.h"

#include <fmt/format.h>

using namespace quern;

TEST_CASE("keys of memory traffic go both ways and are off by default") {
  struct Case {
    const char *op, *off, *on;
  };
  const Case cases[] = {
      {"matmul m=512 n=512 k=512 const=b", " inner=columns ", " inner=rows "},
      {"matmul m=512 n=512 k=512 const=b", " prefetch_panel=0 ", " prefetch_panel=2 "},
      {"matmul m=512 n=512 k=512 const=b", " prefetch_c=none ", " prefetch_c=tile "},
      {"matmul m=512 n=512 k=512 const=b", " prefetch_c=none ", " prefetch_c=below "},
      {"add a=*x* b=*", " stream=0", " stream=1048576"},
      {"transpose x=*x8x64 perm=1,0,2", " stream=0", " stream=1"},
  };
  for (const Case& one : cases) {
    OpDesc desc = op(one.op);
    Target target = cpu("haswell");
    INFO(one.op << one.on);
    CHECK_THAT(text(defaultSchedule(desc, target)) + " ", Catch::Contains(one.off));
    Schedule given = schedule(one.on, desc, target);
    CHECK_THAT(text(given) + " ", Catch::Contains(one.on));
    CHECK(schedule(text(given), desc, target) == given);
    CHECK_FALSE(given == defaultSchedule(desc, target));
  }
}

TEST_CASE("a size that no output reaches streams nothing") {
  Target target = cpu("haswell");
  auto fitted = [&](const char* given, const char* keys) {
    OpDesc desc = op(given);
    Schedule chosen = schedule(keys, desc, target);
    fitToOp(chosen, desc);
    return std::get<MapSchedule>(chosen).stream;
  };
  CHECK(fitted("add a=100x100 b=100", "stream=10001") == 0);
  CHECK(fitted("add a=100x100 b=100", "stream=10000") == 10000);
  CHECK(fitted("add a=*x100 b=100", "stream=10001") == 10001);
}

TEST_CASE("few rows of a weight take no key that they have no use for") {
  OpDesc desc = op("matmul m=* n=512 k=512 const=b");
  Target target = cpu("haswell");
  Schedule few = forFewRows(schedule("prefetch_panel=1", desc, target), desc, target);
  CHECK(std::get<MatmulSchedule>(few).prefetchPanel == 0);
  CHECK(defaultSizeClasses(desc, schedule("prefetch_panel=1 inner=rows", desc, target), target).size() == 1);
}

TEST_CASE("matrix units are for sixteen rows and more of products in their order, where the CPU has them") {
  auto dots = [](const std::string& given, const std::string& name) {
    OpDesc desc = op(given);
    return std::get<MatmulSchedule>(defaultSchedule(desc, cpu(name))).dots;
  };
  const std::string product = " n=64 k=64 const=b w=bf16 a=bf16 order=";
  CHECK(dots("matmul m=16" + product + "tile32", "sapphirerapids") == MatmulSchedule::DotsAmx);
  CHECK(dots("matmul m=*" + product + "tile32", "sapphirerapids") == MatmulSchedule::DotsAmx);
  CHECK(dots("matmul m=15" + product + "tile32", "sapphirerapids") == MatmulSchedule::DotsPlain);
  CHECK(dots("matmul m=16" + product + "pairs", "sapphirerapids") == MatmulSchedule::DotsBf16);
  for (const char* name : {"sapphirerapids -amx-bf16", "sapphirerapids -amx-tile", "zen5", "x86-64-v4", "haswell"})
    CHECK(dots("matmul m=16" + product + "tile32", name) == MatmulSchedule::DotsPlain);

  for (const char* given : {"a=f32x3", "w=f16 a=bf16"}) {
    std::string pieces = std::string(" n=64 k=64 const=b ") + given + " order=";
    CHECK(dots("matmul m=16" + pieces + "tile32", "sapphirerapids") == MatmulSchedule::DotsAmx);
    CHECK(dots("matmul m=16" + pieces + "pairs", "sapphirerapids") == MatmulSchedule::DotsBf16);
    CHECK(dots("matmul m=15" + pieces + "tile32", "sapphirerapids") == MatmulSchedule::DotsPlain);
    CHECK(dots("matmul m=16" + pieces + "tile32", "sapphirerapids -amx-bf16") == MatmulSchedule::DotsPlain);
  }

  const std::string bytes = " n=64 k=64 const=b w=i8 a=i8";
  CHECK(dots("matmul m=16" + bytes, "sapphirerapids") == MatmulSchedule::DotsAmx);
  CHECK(dots("matmul m=16" + bytes, "sapphirerapids -amx-bf16") == MatmulSchedule::DotsAmx);
  for (const char* name : {"sapphirerapids -amx-int8", "sapphirerapids -amx-tile", "zen5"})
    CHECK(dots("matmul m=16" + bytes, name) == MatmulSchedule::DotsVnni);
  CHECK(dots("matmul m=15" + bytes, "sapphirerapids") == MatmulSchedule::DotsVnni);

  Target target = cpu("sapphirerapids");
  OpDesc whole = op("matmul m=*" + bytes);
  Schedule units = defaultSchedule(whole, target);
  CHECK(contractOf(units, whole, target).features == std::vector<std::string>{"amx-int8", "amx-tile"});
  std::vector<SizeClass> rows = defaultSizeClasses(whole, units, target);
  REQUIRE(rows.size() == 1);
  CHECK(std::get<MatmulSchedule>(rows[0].schedule).dots == MatmulSchedule::DotsVnni);
  CHECK(sharesWeight(rows[0].schedule, units));
  CHECK(contractOf(rows[0].schedule, whole, target).features == std::vector<std::string>{"avx512vnni"});
  CHECK(std::get<MatmulSchedule>(forFewRows(units, whole, cpu("sapphirerapids -avx512vnni"))).dots == MatmulSchedule::DotsPlain);
  double dotsOfTiles = costOf(units, op("matmul m=256" + bytes), target).cycles;
  CHECK(3 * dotsOfTiles < costOf(schedule("dots=vnni mr=8", whole, target), op("matmul m=256" + bytes), target).cycles);

  OpDesc desc = op("matmul m=*" + product + "tile32");
  Schedule wide = defaultSchedule(desc, target);
  CHECK(contractOf(wide, desc, target).features == std::vector<std::string>{"amx-bf16", "amx-tile"});
  std::vector<SizeClass> few = defaultSizeClasses(desc, wide, target);
  REQUIRE(few.size() == 1);
  CHECK(std::get<MatmulSchedule>(few[0].schedule).dots == MatmulSchedule::DotsPlain);
  CHECK(sharesWeight(few[0].schedule, wide));
  CHECK(contractOf(few[0].schedule, desc, target).features.empty());

  OpDesc fixed = op("matmul m=20" + product + "tile32");
  Schedule fitted = schedule("mr=32", fixed, target);
  fitToOp(fitted, fixed);
  CHECK(std::get<MatmulSchedule>(fitted).mr == 32);
  CHECK(validate(fitted, fixed, target));
  double tiles = costOf(wide, op("matmul m=256" + product + "tile32"), target).cycles;
  CHECK(4 * tiles < costOf(schedule("dots=plain mr=4", desc, target), op("matmul m=256" + product + "tile32"), target).cycles);
}

TEST_CASE("few rows of codes read one panel of one vector after the other") {
  for (const char* name : {"zen5", "haswell", "x86-64"})
    for (const char* type : {"q8_0", "q4_0", "q4_K", "q6_K", "q4_1", "q5_0", "q2_K", "q5_K", "iq4_xs", "mxfp4"}) {
      INFO(name << " " << type);
      Target target = cpu(name);
      OpDesc desc = op(fmt::format("matmul m=* n=768 k=768 tb=1 const=b w={} a=q8", type));
      Schedule wide = defaultSchedule(desc, target);
      std::vector<SizeClass> few = defaultSizeClasses(desc, wide, target);
      REQUIRE(few.size() == 1);
      const auto& own = std::get<MatmulSchedule>(few[0].schedule);
      CHECK(own.nr == own.lanes);
      CHECK(own.nc == 4 * own.panelWidth());
      bool inOrder = std::string(type) == "q4_K" || std::string(type) == "q5_K" || std::string(type) == "iq4_xs";
      CHECK(own.prefetch == (inOrder ? 0 : 512));
      CHECK(sharesWeight(few[0].schedule, wide));
    }
}

TEST_CASE("defaults of all weights, roundings and depths are legal, and so are those for few rows") {
  int64_t tried = 0;
  for (const char* name : {"zen5", "haswell", "x86-64", "skylake-avx512", "sapphirerapids"})
    for (const BlockFormat& blocks : blockFormats())
      for (const char* a : {"a=q8", "a=q8 in=q8 out=q8", "a=bf16 order=tile32", "a=bf16 order=pairs in=bf16 out=q8", "out=bf16"})
        for (int64_t k : {256, 512, 1280, 2560, 4864, 11008})
          for (const char* m : {"*", "1", "7", "40", "512"}) {
            Target target = cpu(name);
            OpDesc desc = op(fmt::format("matmul m={} n=352 k={} tb=1 const=b w={} {}", m, k, text(blocks.type), a));
            Schedule s = defaultSchedule(desc, target);
            INFO(text(desc) << " on " << name << ": " << text(s));
            CHECK(validate(s, desc, target));
            for (const SizeClass& few : defaultSizeClasses(desc, s, target)) CHECK(validate(few.schedule, desc, target));
            ++tried;
          }
  REQUIRE(tried == 750 * static_cast<int64_t>(blockFormats().size()));
}

TEST_CASE("defaults of products of pieces and of whole numbers are legal at every depth") {
  for (const char* name : {"zen5", "haswell", "sapphirerapids", "sapphirerapids -avx512vnni"})
    for (const char* a : {"a=f32x3 order=tile32", "w=f16 a=bf16 order=tile32", "w=i8 a=i8"})
      for (int64_t k : {0, 1, 63, 64, 65, 700, 1025, 11008})
        for (const char* m : {"*", "1", "15", "16", "40", "512"}) {
          Target target = cpu(name);
          OpDesc desc = op(fmt::format("matmul m={} n=350 k={} const=b {}", m, k, a));
          Schedule s = defaultSchedule(desc, target);
          INFO(text(desc) << " on " << name << ": " << text(s));
          CHECK(validate(s, desc, target));
          for (const SizeClass& few : defaultSizeClasses(desc, s, target)) CHECK(validate(few.schedule, desc, target));
        }
}

TEST_CASE("blocks are rounded in registers for one tile of rows, in scratch for more") {
  struct {
    const char *cpu, *order;
    int64_t most;  // rows of one tile
  } cases[] = {
      {"zen5", "pairs", 8}, {"x86-64-v4", "pairs", 8}, {"haswell", "tile32", 2}, {"x86-64", "tile32", 2}, {"sapphirerapids", "tile32", 4}};
  for (const auto& one : cases)
    for (const char* type : {"q8_0", "q4_0", "q4_K", "q6_K"}) {
      Target target = cpu(one.cpu);
      auto of = [&](const std::string& m) {
        OpDesc desc = op(fmt::format("matmul m={} n=768 k=768 tb=1 const=b w={} a=bf16 order={}", m, type, one.order));
        Schedule s = defaultSchedule(desc, target);
        INFO(text(desc) << " on " << one.cpu << ": " << text(s));
        CHECK(validate(s, desc, target));
        return s;
      };
      auto convert = [&](const std::string& m) { return std::get<MatmulSchedule>(of(m)).convert; };
      INFO(one.cpu << " " << type);
      CHECK(convert("1") == MatmulSchedule::ConvertRegisters);
      CHECK(convert(std::to_string(one.most)) == MatmulSchedule::ConvertRegisters);
      CHECK(convert(std::to_string(one.most + 1)) == MatmulSchedule::ConvertScratch);
      CHECK(convert("16") == MatmulSchedule::ConvertScratch);
      Schedule wide = of("*");
      bool units = std::string(one.cpu) == "sapphirerapids";
      CHECK((std::get<MatmulSchedule>(wide).dots == MatmulSchedule::DotsAmx) == units);
      CHECK(std::get<MatmulSchedule>(wide).convert == MatmulSchedule::ConvertScratch);
      OpDesc desc = op(fmt::format("matmul m=* n=768 k=768 tb=1 const=b w={} a=bf16 order={}", type, one.order));
      std::vector<SizeClass> few = defaultSizeClasses(desc, wide, target);
      REQUIRE(few.size() == 1);
      const auto& narrow = std::get<MatmulSchedule>(few[0].schedule);
      CHECK(narrow.convert == MatmulSchedule::ConvertRegisters);
      CHECK(narrow.dots != MatmulSchedule::DotsAmx);
      CHECK(sharesWeight(few[0].schedule, wide));
    }
}

TEST_CASE("costs follow what is copied, kept near and streamed") {
  Target target = cpu("haswell");
  auto cycles = [&](const char* given, const char* keys) {
    OpDesc desc = op(given);
    return costOf(schedule(keys, desc, target), desc, target).cycles;
  };
  const char* product = "matmul m=1024 n=1024 k=1024 const=b";
  CHECK(cycles(product, "pack=ab") > cycles(product, "pack=b"));
  CHECK(cycles(product, "pack=ab nc=1024") - cycles(product, "pack=b nc=1024") <
        cycles(product, "pack=ab nc=128") - cycles(product, "pack=b nc=128"));
  // 48 columns of B stay in L2 whatever the rows; 1,020 rows of A do not.
  CHECK(cycles(product, "mr=6 nr=16 mc=1020 nc=48 kc=512 inner=rows") < cycles(product, "mr=6 nr=16 mc=1020 nc=48 kc=512"));
  const char *large = "add a=100000000 b=100000000", *small = "add a=4096 b=4096";
  CHECK(cycles(large, "stream=1") < cycles(large, ""));
  CHECK(cycles(small, "stream=1") > cycles(small, ""));
}
