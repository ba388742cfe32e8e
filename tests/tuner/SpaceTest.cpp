// tests/tuner/SpaceTest.cpp — search spaces as people write them: judged before they are used, and however large, found soon.
#include "compiler/base/Text.h"
#include "tests/Support.h"
#include "tuner/SearchSpace.h"

#include <fmt/format.h>

using namespace quern;

namespace {

Result<SearchSpace> spaceOf(const std::string& toml) {
  auto root = parseToml(toml, "t.toml");
  if (!root) return root.error();
  return parseSearchSpace(*root, "t.toml");
}

/// "[1, 2, ... n]", each times `step`.
std::string listOf(int n, int step) {
  std::vector<std::string> values;
  for (int i = 1; i <= n; ++i) values.push_back(std::to_string(i * step));
  return "[" + join(values, ", ") + "]";
}

}  // namespace

TEST_CASE("a value that no schedule could hold is refused with its place") {
  const std::pair<const char*, const char*> cases[] = {
      {"[space.matmul]\nmr = [1.5]\n", "t.toml:2:7: mr holds a number, a whole number from 0 to 1099511627776 is needed"},
      {"[space.matmul]\nmr = [4, true]\n", "t.toml:2:10: mr holds true or false, a whole number from 0 to 1099511627776 is needed"},
      {"[space.matmul]\nmr = ['4']\n", "t.toml:2:7: mr holds a string, a whole number from 0 to 1099511627776 is needed"},
      {"[space.matmul]\nmr = [-4]\n", "t.toml:2:7: mr holds -4, a whole number from 0 to 1099511627776 is needed"},
      {"[space.matmul]\nmr = [9223372036854775807]\n",
       "t.toml:2:7: mr holds 9223372036854775807, a whole number from 0 to 1099511627776 is needed"},
      {"[space.matmul]\nmr = [1979-05-27]\n", "t.toml:2:7: mr holds a date or time, a whole number from 0 to 1099511627776 is needed"},
      {"[space.matmul]\nmr = []\n", "t.toml:2:6: mr is no array of values such as [4, 8]"},
      {"[space.matmul]\nmr = 4\n", "t.toml:2:6: mr is no array of values such as [4, 8]"},
      {"[space.matmul]\npack = [1]\n", "t.toml:2:9: pack holds a whole number, one of none, b, a, ab is needed"},
      {"[space.matmul]\npack = ['bb']\n", "t.toml:2:9: bb is no value of pack, did you mean 'b'?; legal: none, b, a, ab"},
      {"[space]\nmatmul = 3\n", "t.toml:2:10: a whole number where a table is needed"},
      {"space = [1]\n", "t.toml:1:9: an array where a table is needed"},
      {"narrow = 1\n[space.matmul]\nmr = [4]\n", "t.toml:1:10: a whole number where a table is needed"},
  };
  for (const auto& [toml, message] : cases) {
    auto read = spaceOf(toml);
    REQUIRE_FALSE(read);
    CHECK(read.error().message == message);
  }
}

TEST_CASE("any text is TOML or is refused with its place") {
  std::string endless = "a";
  for (int i = 0; i < 100000; ++i) endless += ".a";
  const std::pair<std::string, const char*> cases[] = {
      {"[(", "t.toml:1:2: "},
      {"[", "t.toml:1:"},
      {"[[", "t.toml:1:"},
      {"x = 1\n[ $", "t.toml:2:3: "},
      {endless + " = 1", "t.toml:1:"},
      {"[" + endless + "]", "t.toml:1:"},
      {"a = " + std::string(100000, '['), "t.toml:1:"},
      {"\xff\xfe", "t.toml:1:1: "},
  };
  for (const auto& [toml, place] : cases) {
    auto read = parseToml(toml, "t.toml");
    INFO(toml.substr(0, 20));
    REQUIRE_FALSE(read);
    CHECK(read.error().message.substr(0, std::string_view(place).size()) == place);
  }
  CHECK(parseToml("x = [1.5, 2.5, 3.5]\n'a.b.c' = 'd.e.f' # g.h\n", "t.toml"));
  std::string numbers = "x = [0.5";
  for (int i = 0; i < 1000; ++i) numbers += ", 0.5";
  CHECK(parseToml(numbers + "]\n", "t.toml"));
}

TEST_CASE("what is illegal among the values is left out") {
  for (const char* given : {"matmul m=64 n=64 k=64", "matmul m=64 n=64 k=64 const=b tb=1 w=q8_0", "attention heads=2 head_dim=16 q=8 kv=8"})
    for (const char* list : {"mr = [0]", "mr = [4, 0, 8]", "nr = [0]", "kc = [0]", "mc = [0]", "lanes = [0]", "mr = [1099511627776]",
                             "nc = [1099511627776]", "unroll_k = [0]", "panel = [3]\npack = ['ab']\nkc = [0]"}) {
      auto space = spaceOf(fmt::format("[space.matmul]\n{}\n[neighbours.matmul]\n{}\n[narrow.matmul]\n{}\n", list, list, list));
      REQUIRE(space);
      OpDesc desc = op(given);
      Target target = cpu("haswell");
      INFO(given << " " << list);
      for (const Candidate& candidate : candidatesOf(*space, desc, {}, target)) CHECK(validate(candidate.schedule, desc, target));
      for (const Candidate& candidate : neighboursOf(*space, defaultSchedule(desc, target), desc, {}, target, {}))
        CHECK(validate(candidate.schedule, desc, target));
    }
  auto zero = spaceOf("[space.matmul]\nmr = [0]\n");
  REQUIRE(zero);
  CHECK(candidatesOf(*zero, op("matmul m=64 n=64 k=64"), {}, cpu("haswell")).size() == 1);
  CHECK(whyNoneIsLegal(*zero, op("matmul m=64 n=64 k=64"), cpu("haswell")) == "matmul schedule: mr=0 is out of range; legal mr: 1 to 32");
}

TEST_CASE("schedules given by hand are judged before anything is computed with them") {
  OpDesc plain = op("matmul m=64 n=64 k=64"), weight = op("matmul m=64 n=64 k=64 tb=1 const=b w=q8_0");
  for (const char* given :
       {"pack=ab kc=0", "kc=0", "mr=0", "nr=0", "lanes=0", "mc=0", "nc=0", "mr=9223372036854775807", "mc=9223372036854775807 mr=3",
        "nc=9223372036854775807 nr=48", "convert=scratch kc=0", "panel=9223372036854775807", "unroll_k=0"})
    for (const OpDesc& desc : {plain, weight}) {
      INFO(given);
      CHECK_FALSE(parseSchedule(given, desc, cpu("haswell")));
    }
  for (const char* given :
       {"rows=0", "rows=9223372036854775807", "tiles=0", "tiles=9223372036854775807 rows=4096", "mr=0", "kr=0", "lanes=0"}) {
    INFO(given);
    CHECK_FALSE(parseSchedule(given, op("attention heads=2 head_dim=16 q=8 kv=8"), cpu("haswell")));
  }
}

TEST_CASE("a space of more points than can be looked at gives a fixed sample, soon") {
  std::string toml = "[space.matmul]\n";
  for (const char* key : {"mr", "nr", "mc", "kc", "nc", "unroll_k", "prefetch", "panel"})
    toml += fmt::format("{} = {}\n", key, listOf(500, 1));
  auto space = spaceOf(toml);
  REQUIRE(space);
  OpDesc desc = op("matmul m=256 n=256 k=256");
  SpaceSize size = sizeOf(*space, desc);
  CHECK(size.combinations == "3906250000000000000000");  // 500^8
  CHECK_FALSE(size.all);
  std::vector<Candidate> once = candidatesOf(*space, desc, {}, cpu("haswell")), again = candidatesOf(*space, desc, {}, cpu("haswell"));
  CHECK(once.size() > 1);
  CHECK(once.size() <= size.most);
  REQUIRE(once.size() == again.size());
  for (size_t i = 0; i < once.size(); ++i) CHECK(once[i].schedule == again[i].schedule);

  auto wide = spaceOf("[space.matmul]\nmr = [1, 2, 3, 4]\nnr = [8, 16]\nkc = " + listOf(64, 16) + "\nmc = " + listOf(64, 16) +
                      "\nnc = " + listOf(64, 16) + "\n");
  REQUIRE(wide);
  CHECK(sizeOf(*wide, desc).combinations == "2097152");
  CHECK(candidatesOf(*wide, desc, {}, cpu("haswell")).size() > 1000);
  std::atomic<int> now{1};
  CHECK(candidatesOf(*wide, desc, {}, cpu("haswell"), Stop(&now)).size() == 1);
  CHECK(sizeOf(*spaceOf("[space.matmul]\nmr = [1, 2]\nkc = [64, 128, 256]\n"), desc).combinations == "6");
}
