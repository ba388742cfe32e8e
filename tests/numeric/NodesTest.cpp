// tests/numeric/NodesTest.cpp — nodes that no op uses yet: the interpreter and native code agree bit for bit, for every contract that this
// host can run and for the element types of memory.
#include "compiler/loops/ir/LoopInterpreter.h"
#include "compiler/loops/ir/LoopPrinter.h"
#include "compiler/target/HostTarget.h"
#include "tests/numeric/FloatKernels.h"

#include <cstring>
#include <fmt/format.h>
#include <random>

using namespace quern;

namespace {

constexpr int64_t kCount = 256;

LoopProgram parsed(const std::string& given) {
  INFO(given);
  auto program = parseLoops(given, "nodes");
  INFO((program ? "" : program.error().message));
  REQUIRE(program);
  auto good = verifyLoops(*program);
  INFO((good ? "" : good.error().message));
  REQUIRE(good);
  auto again = parseLoops(text(*program), "again");
  REQUIRE(again);
  CHECK(text(*again) == text(*program));
  return std::move(*program);
}

/// The last buffer after a run of one task, n = kCount; buffers of random bytes.
std::vector<std::byte> native(const LoopProgram& program, std::vector<std::vector<std::byte>> memory) {
  JitCode code = compiled(program);
  std::vector<void*> buffers;
  for (auto& each : memory) buffers.push_back(each.data());
  int64_t n = kCount;
  QuernArgs args{};
  args.buffers = buffers.data();
  args.dims = &n;
  code.entry(&args, 0, 1);
  return memory.back();
}
std::vector<std::byte> interpreted(const LoopProgram& program, std::vector<std::vector<std::byte>> memory) {
  LoopArgs args;
  for (auto& each : memory) args.buffers.push_back(each.data());
  args.dims = {kCount};
  auto good = interpret(program, args);
  INFO((good ? "" : good.error().message));
  REQUIRE(good);
  return memory.back();
}

std::vector<std::vector<std::byte>> drawn(std::initializer_list<size_t> bytes) {
  std::mt19937 random(7);
  std::vector<std::vector<std::byte>> memory;
  for (size_t each : bytes) {
    memory.emplace_back(each);
    for (std::byte& byte : memory.back()) byte = static_cast<std::byte>(random());
  }
  // The extremes meet: -128 or 255 beside -128.
  for (auto& each : memory) std::fill_n(each.begin(), 16, std::byte{0x80});
  std::fill_n(memory[0].begin() + 8, 8, std::byte{0xff});
  return memory;
}

/// Those for dots of bytes that this host can run.
std::vector<const char*> contractsHere() {
  std::vector<const char*> all = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v3 + avxvnni", "x86-64-v4", "x86-64-v4 + avx512vnni",
                                  "aarch64"};
  std::erase_if(all, [host = hostTarget()](const char* each) { return !parseContract(each)->lackingOn(host).empty(); });
  REQUIRE_FALSE(all.empty());
  return all;
}

}  // namespace

TEST_CASE("sums of products of bytes, on every contract of this host") {
  for (const char* contract : contractsHere()) {
    for (const char* type : {"i8", "u8"})
      for (int lanes : {1, 2, 4, 8, 16}) {
        INFO(contract << " " << type << " " << lanes);
        LoopProgram program =
            parsed(fmt::format("loops \"dot4\"\nisa {0}\ndim n\nbuffer a : {1} in [n] strides [1]\nbuffer b : i8 in [n] strides [1]\n"
                               "buffer out : i32 inout [(n / 4)] strides [1]\nphase task tasks 1 {{\n  for j = 0 to n step {2} {{\n"
                               "    store out[(j / 4)] = dot4(out[(j / 4)]:{3}, a[j]:{1}x{2}, b[j]:i8x{2})\n  }}\n}}\n",
                               contract, type, 4 * lanes, lanes));
        auto memory = drawn({kCount, kCount, kCount});
        std::vector<std::byte> expected = memory[2];
        for (size_t i = 0; i < kCount; ++i) {  // by hand
          int32_t sum = 0;
          std::memcpy(&sum, &expected[i / 4 * 4], 4);
          int a = *type == 'i' ? static_cast<int8_t>(memory[0][i]) : static_cast<uint8_t>(memory[0][i]);
          sum = static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(a * static_cast<int8_t>(memory[1][i])));
          std::memcpy(&expected[i / 4 * 4], &sum, 4);
        }
        CHECK(interpreted(program, memory) == expected);
        CHECK(native(program, memory) == expected);
      }
  }
}

TEST_CASE("bytes of words, and dots of those that are small, on every contract of this host") {
  for (const char* contract : contractsHere()) {
    for (auto [a, b] : {std::pair{"bytes_u7", "bytes_i8"}, {"bytes_i8", "bytes_s7"}, {"bytes_u8", "bytes_i8"}, {"bytes_i8", "bytes_i8"}})
      for (int lanes : {1, 2, 4, 8, 16}) {
        INFO(contract << " " << a << " " << b << " " << lanes);
        LoopProgram program =
            parsed(fmt::format("loops \"bytes\"\nisa {0}\ndim n\nbuffer a : i32 in [n] strides [1]\nbuffer b : i32 in [n] strides [1]\n"
                               "buffer out : i32 inout [n] strides [1]\nphase task tasks 1 {{\n  for j = 0 to n step {1} {{\n"
                               "    store out[j] = dot4(out[j]:{1}, {2}(a[j]:{1}), {3}(b[j]:{1}))\n  }}\n}}\n",
                               contract, lanes, a, b));
        auto memory = drawn({4 * kCount, 4 * kCount, 4 * kCount});
        if (std::string(b) == "bytes_s7") std::replace(memory[1].begin(), memory[1].end(), std::byte{0x80}, std::byte{0x81});
        std::vector<std::byte> expected = memory[2];
        for (size_t i = 0; i < 4 * kCount; ++i) {  // by hand
          int x = static_cast<int8_t>(memory[0][i]), y = static_cast<int8_t>(memory[1][i]);
          if (std::string(a) == "bytes_u7") x &= 0x7f;
          if (std::string(a) == "bytes_u8") x &= 0xff;
          uint32_t sum = 0;
          std::memcpy(&sum, &expected[i / 4 * 4], 4);
          sum += static_cast<uint32_t>(x * y);
          std::memcpy(&expected[i / 4 * 4], &sum, 4);
        }
        CHECK(interpreted(program, memory) == expected);
        CHECK(native(program, memory) == expected);
      }
  }
}

TEST_CASE("bytes_s7 of -128 is no program's") {
  LoopProgram program = parsed(
      "loops \"bytes\"\nisa x86-64\ndim n\nbuffer a : i32 in [n] strides [1]\nbuffer out : i32 out [n] strides [1]\n"
      "phase task tasks 1 {\n  store out[0] = dot4(0ix1, bytes_i8(a[0]:1), bytes_s7(a[0]:1))\n}\n");
  int32_t a = 0x7f7f7f7f, out = 0;
  LoopArgs args;
  args.dims = {1};
  args.buffers = {&a, &out};
  CHECK(interpret(program, args));
  CHECK(out == 4 * 127 * 127);
  a = 0x7f807f7f;
  auto bad = interpret(program, args);
  REQUIRE(!bad);
  CHECK_THAT(bad.error().message, Catch::Contains("bytes_s7 of -128"));
}

TEST_CASE("bytes looked up in a table of sixteen, any byte, on every contract of this host") {
  constexpr int kTable[] = {-128, -127, -100, -3, 0, 1, 2, 3, 100, 126, 127, 128, 200, 254, 255, 7};
  for (const char* contract : contractsHere())
    for (int lanes : {1, 2, 4, 8, 16}) {
      INFO(contract << " " << lanes);
      std::string table;
      for (int entry : kTable) table += fmt::format("{}{}f", table.empty() ? "" : ", ", entry);
      LoopProgram program = parsed(
          fmt::format("loops \"lookup\"\nisa {0}\ndim n\nbuffer a : i32 in [n] strides [1]\nbuffer out : i32 inout [n] strides [1]\n"
                      "phase task tasks 1 {{\n  for j = 0 to n step {1} {{\n    store out[j] = lookup_bytes(a[j]:{1}; {2})\n  }}\n}}\n",
                      contract, lanes, table));
      auto memory = drawn({4 * kCount, 4 * kCount});
      std::vector<std::byte> expected = memory[1];
      for (size_t i = 0; i < 4 * kCount; ++i) {
        auto byte = static_cast<uint8_t>(memory[0][i]);
        expected[i] = byte >= 128 ? std::byte{0} : static_cast<std::byte>(kTable[byte % 16]);
      }
      CHECK(interpreted(program, memory) == expected);
      CHECK(native(program, memory) == expected);
    }
}

TEST_CASE("sums in 16 bits: two products cut to them, halves apart, both onto 32 bits") {
  for (const char* contract : contractsHere())
    for (int lanes : {1, 2, 4, 8, 16}) {
      INFO(contract << " " << lanes);
      LoopProgram program =
          parsed(fmt::format("loops \"halves\"\nisa {0}\ndim n\nbuffer a : i32 in [n] strides [1]\nbuffer b : i32 in [n] strides [1]\n"
                             "buffer out : i32 inout [n] strides [1]\nphase task tasks 1 {{\n  for j = 0 to n step {1} {{\n"
                             "    let dots = short_dots(bytes_u8(a[j]:{1}), bytes_i8(b[j]:{1}))\n"
                             "    store out[j] = sum_halves(out[j]:{1}, add_halves(dots, b[j]:{1}))\n  }}\n}}\n",
                             contract, lanes));
      auto memory = drawn({4 * kCount, 4 * kCount, 4 * kCount});
      std::vector<std::byte> expected = memory[2];
      int64_t cut = 0;
      for (size_t i = 0; i < kCount; ++i) {  // by hand
        int32_t sum = 0;
        std::memcpy(&sum, &expected[4 * i], 4);
        for (size_t half = 0; half < 2; ++half) {
          int dot = 0;
          for (size_t j = 4 * i + 2 * half; j < 4 * i + 2 * half + 2; ++j)
            dot += static_cast<uint8_t>(memory[0][j]) * static_cast<int8_t>(memory[1][j]);
          cut += dot < INT16_MIN || dot > INT16_MAX ? 1 : 0;
          int16_t other = 0;
          std::memcpy(&other, &memory[1][4 * i + 2 * half], 2);
          auto both = static_cast<int16_t>(static_cast<uint16_t>(std::clamp(dot, -32768, 32767) + other));
          sum = static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(both));
        }
        std::memcpy(&expected[4 * i], &sum, 4);
      }
      CHECK(cut > 0);
      CHECK(interpreted(program, memory) == expected);
      CHECK(native(program, memory) == expected);
    }
}

TEST_CASE("element types of memory, as they lie there and as they are loaded") {
  Target host = hostTarget();
  struct Case {
    const char *in, *out, *value;
  };
  const Case cases[] = {{"i8", "i32", "i32(x[j]:i8x8)"},
                        {"u8", "i32", "i32(x[j]:u8x8)"},
                        {"i16", "i32", "i32(x[j]:i16x8)"},
                        {"u16", "i32", "i32(x[j]:u16x8)"},
                        {"i16", "i32", "x[j]:8"},
                        {"bf16", "f32", "f32(x[j]:bf16x8)"},
                        {"f64", "f64", "(x[j]:8 + x[j]:8)"},
                        {"f64", "f64", "sqrt(abs(x[j]:8))"},
                        {"f64", "f32", "f32(neg(x[j]:8))"},
                        {"f32", "f64", "f64(x[j]:8)"},
                        {"f64", "f64", "max(x[j]:8, f64(1ix8))"},
                        {"f32", "i32", "trunc_i32(x[j]:8)"},
                        {"f64", "i32", "trunc_i32(x[j]:8)"},
                        {"f32", "i64", "trunc_i64(x[j]:8)"},
                        {"f64", "i64", "trunc_i64(x[j]:8)"},
                        {"i64", "f32", "f32(x[j]:8)"},
                        {"i64", "f64", "f64((x[j]:8 + broadcast8(3)))"},
                        {"i64", "i32", "i32(max(x[j]:8, i64(1ix8)))"},
                        {"i16", "i16", "x[j]:i16x8"},
                        {"i32", "i16", "x[j]:8"},
                        {"f16", "f16", "x[j]:8"},
                        {"bf16", "bf16", "x[j]:bf16x8"},
                        {"i8", "i32", "select((x[j]:8 < 0ix8), 1ix8, i32(x[j]:i8x8))"},
                        {"i8", "i8", "shuffle(x[j]:i8x8, x[j]:i8x8; 7 6 5 4 3 2 1 8)"}};
  for (const Case& one : cases) {
    LoopProgram program = parsed(fmt::format(
        "loops \"types\"\nisa {}\ndim n\nbuffer x : {} in [n] strides [1]\nbuffer out : {} out [n] strides [1]\nphase task tasks 1 {{\n"
        "  for j = 0 to n step 8 {{ store out[j] = {} }}\n}}\n",
        host.level, one.in, one.out, one.value));
    INFO(one.in << " " << one.out << " " << one.value);
    auto memory = drawn({8 * kCount, 8 * kCount});
    CHECK(interpreted(program, memory) == native(program, memory));
  }
}

TEST_CASE("code is held against its contract") {
  auto api = codegenModule();
  REQUIRE(api);
  auto objectFor = [&](const std::string& contract, const std::string& value) {
    LoopProgram program = parsed(fmt::format(
        "loops \"contract\"\nisa {}\ndim n\nbuffer a : u8 in [n] strides [1]\nbuffer b : i8 in [n] strides [1]\n"
        "buffer out : i32 inout [(n / 4)] strides [1]\nphase task tasks 1 {{\n  for j = 0 to n step 32 {{ store out[(j / 4)] = {} }}\n}}\n",
        contract, value));
    auto object = (*api)->emitObject(program, kKernelSymbol);
    REQUIRE(object);
    return *object;
  };
  auto said = [&](const std::string& object, const char* contract) {
    auto good = (*api)->checkContract(object, *parseContract(contract));
    return good ? "" : good.error().message;
  };
  std::string dot = "dot4(out[(j / 4)]:8, a[j]:u8x32, b[j]:i8x32)", sum = "(out[(j / 4)]:8 + out[(j / 4)]:8)";
  std::string vnni = objectFor("x86-64-v3 + avxvnni", dot), wide = objectFor("x86-64-v4", dot), narrow = objectFor("x86-64-v3", sum);
  CHECK(said(vnni, "x86-64-v3 + avxvnni") == "");
  CHECK_THAT(said(vnni, "x86-64-v3"), Catch::Contains("vpdpbusd") && Catch::Contains("needs avxvnni"));
  CHECK(said(wide, "x86-64-v4") == "");
  CHECK_THAT(said(wide, "x86-64-v3"), Catch::Contains("not of its contract x86-64-v3"));
  CHECK(said(narrow, "x86-64-v4") == "");
  CHECK_THAT(said(narrow, "x86-64-v2"), Catch::Contains("needs avx2"));
  std::string broken = narrow;
  size_t code = broken.find("\xc5\xfd", 64);  // a VEX prefix
  REQUIRE(code != std::string::npos);
  broken.replace(code, 2, "\x06\x06");
  CHECK_THAT(said(broken, "x86-64-v3"), Catch::Contains("is no instruction"));
}
