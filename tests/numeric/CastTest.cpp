// tests/numeric/CastTest.cpp — casts between all types of numbers, bit by bit: every number of a type of up to two bytes, of others those
// where something turns and many drawn ones; on every level, and by the interpreter.
#include "compiler/base/Half.h"
#include "compiler/jit/LoopsKernel.h"
#include "compiler/loops/Lower.h"
#include "compiler/reference/CastReference.h"
#include "tests/numeric/KernelRuns.h"

#include <cmath>
#include <iostream>
#include <limits>
#include <random>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 71;
constexpr size_t kInterpreted = 611;
constexpr ElementType kTypes[] = {ElementType::F32, ElementType::F16, ElementType::BF16, ElementType::F64, ElementType::I8,
                                  ElementType::U8,  ElementType::I16, ElementType::U16,  ElementType::I32, ElementType::U32,
                                  ElementType::I64, ElementType::U64, ElementType::Bool};
using Bytes = std::vector<std::byte>;

template <class T>
void append(Bytes& bytes, T value) {
  bytes.resize(bytes.size() + sizeof value);
  std::memcpy(bytes.data() + bytes.size() - sizeof value, &value, sizeof value);
}

/// Beside powers of two and half way between numbers of few bits; the specials.
template <class Float>
void appendFloats(Bytes& bytes, std::mt19937_64& random) {
  using Limits = std::numeric_limits<Float>;
  constexpr Float kInf = Limits::infinity();
  for (Float each : {Float(0), Limits::quiet_NaN(), kInf, Limits::max(), Limits::min(), Limits::denorm_min(), Float(65504), Float(65520)})
    for (Float sign : {Float(1), Float(-1)}) append(bytes, static_cast<Float>(sign * each));
  for (int exponent = -160; exponent < 140; ++exponent)
    for (int bits : {1, 8, 9, 11, 12, 24, 25})
      for (int half = 0; half < 2; ++half) {
        auto many = static_cast<double>((uint64_t{1} << (bits - 1)) + (half != 0 ? random() % (uint64_t{1} << (bits - 1)) : 0));
        auto near = static_cast<Float>(std::ldexp(many + 0.5 * half, exponent - bits + 1));
        for (Float each : {near, std::nextafter(near, kInf), std::nextafter(near, -kInf)})
          append(bytes, random() % 2 == 0 ? each : static_cast<Float>(-each));
      }
  for (int i = 0; i < 8000; ++i) append(bytes, static_cast<Float>((static_cast<double>(random() % 200001) - 100000) / 64));
}

/// Beside powers of two and half way between floats; of any size.
void appendWholes(Bytes& bytes, size_t each, std::mt19937_64& random) {
  auto add = [&](uint64_t value) {
    bytes.resize(bytes.size() + each);
    std::memcpy(bytes.data() + bytes.size() - each, &value, each);
  };
  for (int power = 0; power < 64; ++power)
    for (uint64_t off : {-3, -2, -1, 0, 1, 2, 3})
      for (uint64_t sign : {1, -1}) add(sign * ((uint64_t{1} << power) + off));
  for (int bits : {9, 12, 25, 54})
    for (int shift = 0; shift + bits <= 64; ++shift)
      for (uint64_t off : {-1, 0, 1}) {
        uint64_t tie = (random() >> (64 - bits)) | 1 | uint64_t{1} << (bits - 1);
        add((tie << shift) + off);
        add(0 - ((tie << shift) + off));
      }
  for (int i = 0; i < 8000; ++i) add(random() >> (random() % 64));
}

Bytes numbersOf(ElementType type) {
  std::mt19937_64 random(kSeed);
  Bytes bytes;
  auto each = static_cast<size_t>(formatOf(type).blockBytes);
  if (each <= 2) {
    for (uint32_t i = 0; i < (1U << (8 * each)) + 3; ++i) {  // and three more, for a tail
      bytes.resize(bytes.size() + each);
      std::memcpy(bytes.data() + bytes.size() - each, &i, each);
    }
    return bytes;
  }
  if (type == ElementType::F32) appendFloats<float>(bytes, random);
  else if (type == ElementType::F64) appendFloats<double>(bytes, random);
  else appendWholes(bytes, each, random);
  for (int i = 0; i < 8003; ++i) {
    uint64_t bits = random();
    bytes.resize(bytes.size() + each);
    std::memcpy(bytes.data() + bytes.size() - each, &bits, each);
  }
  return bytes;
}

Bytes byDefinition(ElementType from, ElementType to, const Bytes& x) {
  auto count = static_cast<int64_t>(x.size()) / bytesOf(from, 1);
  Bytes out(static_cast<size_t>(bytesOf(to, count)));
  for (int64_t i = 0; i < count; ++i) castNumber(from, to, x.data() + bytesOf(from, i), out.data() + bytesOf(to, i));
  return out;
}

bool isNan(ElementType type, const std::byte* at) {
  Bytes real(8);
  if (isWhole(type)) return false;
  castNumber(type, ElementType::F64, at, real.data());
  double value = 0;
  std::memcpy(&value, real.data(), 8);
  return std::isnan(value);
}

/// "element 5 (0x...) is 0x..., 0x... is right"; NaN is NaN whatever its payload. "": none differs.
std::string differing(ElementType from, ElementType to, const Bytes& x, const Bytes& expected, const Bytes& actual) {
  REQUIRE(expected.size() == actual.size());
  if (expected == actual) return "";
  auto bits = [](ElementType type, const Bytes& bytes, int64_t i) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + bytesOf(type, i), static_cast<size_t>(bytesOf(type, 1)));
    return value;
  };
  for (int64_t i = 0; bytesOf(to, i) < static_cast<int64_t>(expected.size()); ++i)
    if (bits(to, expected, i) != bits(to, actual, i) &&
        !(isNan(to, expected.data() + bytesOf(to, i)) && isNan(to, actual.data() + bytesOf(to, i))))
      return fmt::format("element {} ({:#x}) is {:#x}, {:#x} is right", i, bits(from, x, i), bits(to, actual, i), bits(to, expected, i));
  return "";
}

Bytes byKernel(const KernelSet& kernel, ElementType from, ElementType to, const Bytes& x) {
  const int64_t dims[] = {static_cast<int64_t>(x.size()) / bytesOf(from, 1)};
  Bytes out(static_cast<size_t>(bytesOf(to, dims[0])), std::byte{0x5a});
  const Operand operands[] = {{x.data(), {}}, {out.data(), {}}};
  auto call = KernelCall::make(kernel, dims, operands, 1);
  REQUIRE(call);
  call->run();
  return out;
}

Bytes byInterpreter(const OpDesc& desc, const KernelInfo& info, const Target& target, ElementType from, ElementType to, const Bytes& x) {
  auto program = lower(desc, *parseSchedule(info.schedule, desc, target), target);
  REQUIRE(program);
  int64_t count = static_cast<int64_t>(x.size()) / bytesOf(from, 1);
  DimValues dims = {{"d0", count}};
  CallArguments arguments(fixed(desc, dims), dims);
  Bytes out(static_cast<size_t>(bytesOf(to, count)), std::byte{0x5a});
  arguments.input(0, x.data());
  arguments.output(out.data());
  auto args = loopArgsOf(*program, info, arguments);
  REQUIRE(args);
  auto good = interpret(*program, *args);
  INFO((good ? "" : good.error().message));
  REQUIRE(good);
  return out;
}

/// Of one number.
template <class To, class From>
To cast(ElementType from, ElementType to, From x) {
  To out{};
  castNumber(from, to, reinterpret_cast<const std::byte*>(&x), reinterpret_cast<std::byte*>(&out));
  return out;
}

}  // namespace

TEST_CASE("casts between all types of numbers have the bits that are stated, on every level") {
  std::vector<Target> levels = runnableLevels();
  std::vector<std::unique_ptr<KernelLibrary>> libraries;
  for (const Target& level : levels) libraries.push_back(std::make_unique<KernelLibrary>(level, std::vector<std::string>{}));
  int64_t compared = 0;
  for (ElementType from : kTypes) {
    Bytes x = numbersOf(from);
    Bytes few(x.begin(), x.begin() + std::min<int64_t>(static_cast<int64_t>(x.size()), bytesOf(from, kInterpreted)));
    for (ElementType to : kTypes) {
      OpDesc desc = op(fmt::format("cast x=* from={} to={}", text(from), text(to)));
      Bytes expected = byDefinition(from, to, x), expectedFew = byDefinition(from, to, few);
      for (size_t i = 0; i < levels.size(); ++i) {
        KernelSet kernel = kernelOf(*libraries[i], desc);
        INFO(text(desc) << " on " << levels[i].name << ", seed " << kSeed);
        Bytes native = byKernel(kernel, from, to, x);
        CHECK(differing(from, to, x, expected, native) == "");
        native.resize(expectedFew.size());
        CHECK(differing(from, to, few, native, byInterpreter(desc, kernel.info(), levels[i], from, to, few)) == "");
        ++compared;
      }
    }
  }
  std::cout << compared << " kernels\n";
  CHECK(compared >= 169);
}

TEST_CASE("what casts are defined as") {
  constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
  // Whole to whole: the low bits.
  CHECK(cast<uint8_t>(ElementType::I32, ElementType::U8, int32_t{-1}) == 255);
  CHECK(cast<int8_t>(ElementType::I32, ElementType::I8, int32_t{300}) == 44);
  CHECK(cast<uint64_t>(ElementType::I8, ElementType::U64, int8_t{-1}) == UINT64_MAX);
  CHECK(cast<int64_t>(ElementType::U32, ElementType::I64, UINT32_MAX) == int64_t{UINT32_MAX});
  // Floats to whole: toward 0, cut at the ends.
  CHECK(cast<int32_t>(ElementType::F64, ElementType::I32, -2.9) == -2);
  CHECK(cast<int32_t>(ElementType::F32, ElementType::I32, 0x1p31f) == INT32_MAX);
  CHECK(cast<int32_t>(ElementType::F64, ElementType::I32, -kInf) == INT32_MIN);
  CHECK(cast<int32_t>(ElementType::F64, ElementType::I32, -0x1p31 - 0.5) == INT32_MIN);
  CHECK(cast<int64_t>(ElementType::F64, ElementType::I64, 0x1p63) == INT64_MAX);
  CHECK(cast<int64_t>(ElementType::F64, ElementType::I64, kNan) == 0);
  CHECK(cast<uint64_t>(ElementType::F64, ElementType::U64, 0x1.8p63) == uint64_t{3} << 62);
  CHECK(cast<uint64_t>(ElementType::F64, ElementType::U64, kInf) == UINT64_MAX);
  CHECK(cast<uint64_t>(ElementType::F64, ElementType::U64, -1.0) == 0);
  CHECK(cast<uint8_t>(ElementType::F32, ElementType::U8, 255.9f) == 255);
  CHECK(cast<int8_t>(ElementType::F32, ElementType::I8, -128.9f) == -128);
  // Rounded once: by way of f32 each of these would be the tie's even neighbour.
  CHECK(cast<uint16_t>(ElementType::F64, ElementType::F16, 1 + 0x1p-11 + 0x1p-40) == 0x3c01);
  CHECK(cast<uint16_t>(ElementType::F64, ElementType::F16, 1 + 0x1p-11) == 0x3c00);
  CHECK(cast<uint16_t>(ElementType::F64, ElementType::BF16, -1 - 0x1p-8 - 0x1p-50) == 0xbf81);
  CHECK(cast<uint16_t>(ElementType::F64, ElementType::F16, 65519.99999999) == 0x7bff);
  CHECK(cast<uint16_t>(ElementType::F64, ElementType::F16, 0x1p-25 + 0x1p-70) == 1);
  CHECK(cast<uint16_t>(ElementType::I64, ElementType::BF16, (int64_t{0x101} << 40) + 1) == bfloatOfFloat(0x1.02p48f));
  CHECK(cast<float>(ElementType::I64, ElementType::F32, (int64_t{0x1000001} << 30) + 1) == 0x1.000002p54f);
  CHECK(cast<float>(ElementType::U64, ElementType::F32, UINT64_MAX) == 0x1p64f);
  CHECK(cast<double>(ElementType::U64, ElementType::F64, (uint64_t{1} << 63) + 1025) == 0x1.0000000000001p63);
  CHECK(cast<float>(ElementType::F64, ElementType::F32, 0x1p128) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(cast<float>(ElementType::F64, ElementType::F32, kNan)));
  CHECK(std::signbit(cast<float>(ElementType::F64, ElementType::F32, -0.0)));
  // Truth.
  for (double truth : {kNan, kInf, 0x1p-1074, -3.0}) CHECK(cast<uint8_t>(ElementType::F64, ElementType::Bool, truth) == 1);
  for (double none : {0.0, -0.0}) CHECK(cast<uint8_t>(ElementType::F64, ElementType::Bool, none) == 0);
  CHECK(cast<uint8_t>(ElementType::I64, ElementType::Bool, int64_t{1} << 40) == 1);
  CHECK(cast<float>(ElementType::Bool, ElementType::F32, uint8_t{7}) == 1);
  CHECK(cast<uint8_t>(ElementType::Bool, ElementType::Bool, uint8_t{7}) == 1);
}

TEST_CASE("a single value is cast, and transposed to itself") {
  KernelLibrary library(hostTarget(), {});
  double x = -7.75;
  int16_t out = 0;
  const Operand cast[] = {{&x, {}}, {&out, {}}};
  KernelSet kernel = kernelOf(library, op("cast x=scalar from=f64 to=i16"));
  KernelCall::make(kernel, {}, cast, 1)->run();
  CHECK(out == -7);
  float y = 3, turned = 0;
  const Operand transpose[] = {{&y, {}}, {&turned, {}}};
  KernelSet other = kernelOf(library, op("transpose x=scalar"));
  KernelCall::make(other, {}, transpose, 1)->run();
  CHECK(turned == 3);
}
