// tests/unit/LoopRefusalsTest.cpp — loop programs that people write: what cannot run, or would take the machine, is refused in plain words;
// what leaves its buffers is found by a trial.
#include "compiler/loops/ir/LoopInterpreter.h"
#include "compiler/loops/ir/LoopParser.h"
#include "compiler/loops/ir/LoopVerifier.h"
#include "tests/Support.h"

#include <fmt/format.h>

using namespace quern;

namespace {

std::string program(const std::string& body, const std::string& declarations = "", const std::string& isa = "x86-64-v3") {
  return "loops \"edited\"\nisa " + isa + "\ndim m\nbuffer x : f32 in [m, 8] strides [8, 1]\nbuffer out : f32 out [m] strides [1]\n" +
         declarations + "phase t tasks m {\n" + body + "\n}\n";
}

std::string refusal(const std::string& text) {
  auto parsed = parseLoops(text, "x.loops");
  if (!parsed) return parsed.error().message;
  auto good = verifyLoops(*parsed);
  return good ? "" : good.error().message;
}

/// What a trial with m = 3 finds.
std::string found(const std::string& text, int64_t steps = 100000) {
  auto parsed = parseLoops(text, "x.loops");
  REQUIRE(parsed);
  REQUIRE(verifyLoops(*parsed));
  std::vector<float> x(24), out(3);
  auto good = interpretSome(*parsed, {{x.data(), out.data()}, {3}, {}, {24, 3}}, steps);
  return good ? "" : good.error().message;
}

struct Case {
  std::string text, says;
};

}  // namespace

TEST_CASE("a refusal is short whatever stands in the file") {
  const std::string endless(5000, 'n'), sum = [] {
    std::string terms = "1.5f";
    for (int i = 0; i < 150; ++i) terms = "(" + terms + " + 1.5f)";
    return terms;
  }();
  for (const Case& c :
       {Case{program("let a = (t + \"left open\n" + endless), "x.loops:7: an expression expected, not '\"'"},
        Case{program("let a = " + endless), "a name of at most 100"}, Case{program("let " + endless + " = 1f"), "a name of at most 100"},
        Case{program("let a = t \"" + endless + "\""), "expected, not 'nnn"}, Case{program("let a = (t & " + sum + ")"), "[...]"},
        Case{program("reg a[2] : f32 = 0f\nset a[" + sum + "] = 1f"), "[...]"}}) {
    std::string said = refusal(c.text);
    CHECK_THAT(said, Catch::Contains(c.says));
    CHECK(said.size() < 600);
  }
}

TEST_CASE("loop programs that are refused") {
  const Case cases[] = {
      {program("reg a[2] : f32 = 0f\nset a[2] = 1f"), "register array a: index 2 is 2; 0 to 1 are there"},
      {program("reg a[2] : f32 = 0f\nstore out[t] = a[(0 - 1)]"), "index (0 - 1) is -1; 0 to 1 are there"},
      {program("reg a[4] : f32 = 0f\nunroll i = 0 to 5 { set a[i] = 1f }"), "register array a: index i is 4; 0 to 3 are there"},
      {program("reg a[4] : f32 = 0f\nset a[(1 % 0)] = 1f"), "register array a: index (1 % 0) is no number"},
      {program("reg a[4] : f32 = 0f\nunroll i = 0 to 2 { set a[(1 / i)] = 1f }"), "register array a: index (1 / i) is no number"},
      {program("unroll i = 0 to 4 step 0 { store out[t] = 1f }"), "a step above 0, are needed"},
      {program("unroll i = 0 to 4 step (0 - 1) { store out[t] = 1f }"), "a step above 0, are needed"},
      {program("unroll i = 0 to 9223372036854775807 { store out[t] = 1f }"), "more than 262144 statements and operators"},
      {program("unroll i = 0 to 1000 { unroll j = 0 to 1000 { store out[t] = 1f } }"), "more than 262144 statements and operators"},
      {program("for i = 0 to 4 step 0 { store out[t] = 1f }"), "a loop needs a constant step above 0"},
      {program("for i = 0 to 4 step m { store out[t] = 1f }"), "a loop needs a constant step above 0"},
      {program("reg a[256][256][256] : f32 = 0f\nset a[0][0][0] = 1f"), "more than 4096 registers with a"},
      {program("store out[(t / (0 - 1))] = 1f\nlet q = (t / -1)"), "a divisor of 0 or more is needed"},
      {program("store out[t] = 1f", "", "x86-64-v9"), "'x86-64-v9' is no base level; levels: x86-64 "},
      {program("store out[t] = fma(1f, 1f, 1f)", "", "x86-64"), "x86-64 has no fma"},
      {program("store out[t] = f32(trunc_i64(1i))"), "cannot be made from i32"},
      {program("store out[t] = 1f if mask1(1)"), "a mask needs more than one lane"},
      {program("store out[t] = lookup(1i; 1f, x[t, 0])"), "a number such as 1.5f expected before this"},
      {program("store out[t] = lookup(1i; 1f, 2f)"), "2 entries; 16 or 32 are needed"},
      {program("store out[t] = lookup_bytes(1i; 1f, 2f)"), "16 whole numbers of -128 to 255 are needed"},
      {program("store out[t] = dot4(1i, x[t, 0]:4, x[t, 0]:4)"), "i8 or u8, and i8 are needed"},
      {program("store out[t] = (x[t, 0]:i8 + x[t, 0]:i8)"), "f32 is loaded as f32"},
      {program("let w = x[t, 0]:2 as i32\nstore out[t] = 1f"), "is stored as f32"},
      {program("let w = h[0]:2 as f32\nstore out[t] = 1f", "buffer h : bf16 in [8] strides [1]\n"), "is stored as bf16"},
      {program("let w = h[0]:2 as u16\nstore out[t] = 1f", "buffer h : bf16 in [8] strides [1]\n"), "is stored as bf16"},
      {program("store out[t] = f32(true(1i))"), "is no function"},
      {program("stream out[t] = 1f"), "a stream needs a whole vector of 16, 32 or 64 bytes"},
      {program("stream out[t] = x[t, 0]:32"), "a stream needs a whole vector of 16, 32 or 64 bytes"},
      {program("stream out[t] = x[t, 0]:8 if mask8(1)"), "a stream needs a whole vector of 16, 32 or 64 bytes"},
      {program("stream x[t, 0] = x[t, 0]:8"), "store to x, which is read only"},
      {program("prefetch_l2 x[t]"), "prefetch of x with 1 indices; it has 2 dimensions"},
      {program("let a = to_line(x[t])\nstore out[t] = 1f"), "to_line of x with 1 indices; it has 2 dimensions"},
      {program("let a = to_line(t)\nstore out[t] = 1f"), "is no function"},
      {program("let a = to_line(x[t, 0]:8)\nstore out[t] = 1f"), "is no function"},
      {program("let a = (1i << 40i)\nstore out[t] = 1f"), "a constant shift of 0 to 31 is needed"},
      {program("store out[t] = 1f", "buffer s : f32 thread [4, 4] strides [1000, 1]\n"), "scratch s: stride 0 is 1000, 4 is needed"},
      {program("store out[t] = 1f", "buffer s : f32 thread [x[0, 0]] strides [1]\n"), "i64 is needed"},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    std::string says = refusal(one.text);
    INFO(says);
    CHECK(says.find(one.says) != std::string::npos);
  }
}

TEST_CASE("matrix tiles that are refused, or leave their buffers") {
  const std::string isa = "x86-64-v4 + amx-bf16 + amx-tile", sums = "buffer s : f32 thread [16, 16] strides [16, 1]\n";
  auto tiled = [&](const std::string& body) { return program("store out[t] = 1f\n" + body, sums, isa); };
  const Case cases[] = {
      {program("tiles 16x16 { tile_zero 0 }"), "tiles in isa x86-64-v3, which has no amx-tile"},
      {program("tiles 4x4 4x4 4x4 { tile_dot 0 = pairs(1, 2) }", "", "x86-64-v4 + amx-tile"), "which has no amx-bf16"},
      {program("tiles 4x4 4x4 4x4 { tile_dot 0 = bytes(1, 2) }", "", isa),
       "tile_dot of bytes in isa x86-64-v4 + amx-bf16 + amx-tile, which"},
      {tiled("tiles 4x4 4x4 4x4 { tile_dot 0 = words(1, 2) }"), "what a tile_dot is of (pairs, bytes) expected"},
      {tiled("tile_zero 0"), "tile 0; 0 are there"},
      {tiled("tiles 16x16 { tile_zero 1 }"), "tile 1; 1 are there"},
      {tiled("tiles 16x16 { tiles 16x16 { tile_zero 0 } }"), "tiles within tiles"},
      {tiled("tiles { tile_zero 0 }"), "0 tiles; 1 to 8 are needed"},
      {tiled("tiles 1x1 1x1 1x1 1x1 1x1 1x1 1x1 1x1 1x1 { tile_zero 0 }"), "9 tiles; 1 to 8 are needed"},
      {tiled("tiles 17x16 { tile_zero 0 }"), "a tile's rows and words, at most 16x16, expected"},
      {tiled("tiles 0x16 { tile_zero 0 }"), "a tile's rows and words, at most 16x16, expected"},
      {tiled("tiles 16x16 { tile_move 0 }"), "'tile_dot' expected, not 'tile_move'"},
      {tiled("tiles 16x16 { tile_zero 8 }"), "a tile's number (0 to 7) expected"},
      {tiled("tiles 16x16 { tile_load 0 = out[t] }"), "a tile of out, which has no rows of i32 or f32"},
      {tiled("tiles 1x1 { tile_store x[t, 0] = 0 }"), "tile_store to x, which is read only"},
      {tiled("tiles 2x4 2x3 4x4 { tile_dot 0 = pairs(1, 2) }"), "tile_dot of 2x3 by 4x4 into 2x4"},
      {tiled("tiles 2x4 2x3 3x5 { tile_dot 0 = pairs(1, 2) }"), "tile_dot of 2x3 by 3x5 into 2x4"},
      {tiled("tiles 4x4 4x4 { tile_dot 0 = pairs(1, 1) }"), "tile_dot of a tile with itself"},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    std::string says = refusal(one.text);
    INFO(says);
    CHECK(says.find(one.says) != std::string::npos);
  }
  CHECK(found(tiled("tiles 3x8 { tile_load 0 = x[0, 0] }")) == "");
  CHECK(found(tiled("tiles 4x8 { tile_load 0 = x[0, 0] }")).find("outside x[3, 8]") != std::string::npos);
  CHECK(found(tiled("tiles 3x8 { tile_load 0 = x[1, 0] }")).find("outside x[3, 8]") != std::string::npos);
  CHECK(found(tiled("tiles 3x8 { tile_load 0 = x[0, 1] }")).find("outside x[3, 8]") != std::string::npos);
  CHECK(found(tiled("tiles 16x16 { tile_store s[0, 0] = 0 }")) == "");
  CHECK(found(tiled("tiles 16x16 { tile_store s[0, (t - 1)] = 0 }")).find("outside s[16, 16]") != std::string::npos);
  CHECK(found(tiled("tiles 16x16 { tile_store s[(9223372036854775807 - t), 0] = 0 }")).find("outside s[16, 16]") != std::string::npos);
}

TEST_CASE("a trial finds what leaves its buffers") {
  CHECK(found(program("store out[t] = x[t, 7]")) == "");
  CHECK(found(program("store out[t] = x[t, 8]")).find("1 lanes at [8] are outside x[3, 8]") != std::string::npos);
  CHECK(found(program("store out[(t + 1)] = 1f")).find("outside out[3]") != std::string::npos);
  CHECK(found(program("store out[t] = reduce_add(x[t, 1]:8)")).find("8 lanes") != std::string::npos);
  CHECK(found(program("stream out[t] = x[t, 0]:8")).find("8 lanes at [0] are outside out[3]") != std::string::npos);
  CHECK(found(program("prefetch_l2 x[(t + 100), to_line(x[(t - 9), 100])]\nstore out[t] = 1f")) == "");  // touch nothing
  CHECK(found(program("store out[(to_line(out[t]) - to_line(out[(t + 16)]))] = 1f")) == "");             // 16 elements are a line
  // Words of two numbers of 16 bits.
  auto words = [](const char* at) {
    return fmt::format(
        "loops \"words\"\nisa x86-64-v3\ndim m\nbuffer x : bf16 in [m, 8] strides [8, 1]\nbuffer out : f32 out [m] strides [1]\n"
        "phase t tasks m {{ store out[t] = bits_f32(x[t, {}] as i32) }}\n",
        at);
  };
  CHECK(found(words("6")) == "");
  CHECK(found(words("7")).find("outside x[3, 8]") != std::string::npos);
  CHECK(found(program("store out[(t / 0)] = 1f")).find("divided by zero") != std::string::npos);
  CHECK(found(program("store out[(t % (m - 3))] = 1f")).find("divided by zero") != std::string::npos);
  CHECK(found(program("store s[0] = 1f", "buffer s : f32 thread [(m * 1099511627776)] strides [1]\n")).find("scratch s has more") !=
        std::string::npos);
  CHECK(found(program("for i = 0 to 9223372036854775807 { store out[t] = 1f }")) == "");  // until the trial ends
}
