// compiler/reference/CastReference.cpp — see CastReference.h. In double and whole numbers of 64 bits; no float is rounded twice.
#include "compiler/reference/CastReference.h"

#include "compiler/base/Half.h"
#include "compiler/op/BlockValues.h"
#include "compiler/reference/OpReferences.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace quern {

namespace {

/// A float, or a whole number as its sign and size.
struct Number {
  bool isFloat = false, negative = false;
  double real = 0;
  uint64_t size = 0;
};

template <class T>
T at(const std::byte* x) {
  T value;
  std::memcpy(&value, x, sizeof value);
  return value;
}
template <class T>
void put(std::byte* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

Number real(double value) { return {true, std::signbit(value), value, 0}; }
Number whole(int64_t value) { return {false, value < 0, 0, value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value)}; }

Number numberAt(ElementType type, const std::byte* x) {
  switch (type) {
    case ElementType::F32: return real(at<float>(x));
    case ElementType::F16: return real(floatOfHalf(at<uint16_t>(x)));
    case ElementType::BF16: return real(floatOfBfloat(at<uint16_t>(x)));
    case ElementType::F64: return real(at<double>(x));
    case ElementType::I8: return whole(at<int8_t>(x));
    case ElementType::U8: return whole(at<uint8_t>(x));
    case ElementType::I16: return whole(at<int16_t>(x));
    case ElementType::U16: return whole(at<uint16_t>(x));
    case ElementType::I32: return whole(at<int32_t>(x));
    case ElementType::U32: return whole(at<uint32_t>(x));
    case ElementType::I64: return whole(at<int64_t>(x));
    case ElementType::Bool: return whole(at<uint8_t>(x) != 0 ? 1 : 0);
    default: return {false, false, 0, at<uint64_t>(x)};
  }
}

/// A float's significant bits, its least exponent, and where it is infinite.
struct FloatKind {
  int bits, least;
  double beyond;
};
constexpr FloatKind kHalf = {11, -24, 65520}, kBfloat = {8, -133, 0x1.ffp127}, kSingle = {24, -149, 0x1.ffffffp127},
                    kDouble = {53, -1074, std::numeric_limits<double>::infinity()};

/// To the nearest number of the kind, the even one of two.
double rounded(double value, FloatKind kind) {
  if (!std::isfinite(value) || value == 0) return value;
  if (std::fabs(value) >= kind.beyond) return std::copysign(std::numeric_limits<double>::infinity(), value);
  int step = std::max(std::ilogb(value) + 1 - kind.bits, kind.least);
  return std::ldexp(std::nearbyint(std::ldexp(value, -step)), step);
}
double rounded(const Number& x, FloatKind kind) {
  if (x.isFloat) return rounded(x.real, kind);
  int lost = std::max(0, static_cast<int>(std::bit_width(x.size)) - kind.bits);
  uint64_t kept = lost == 0 ? x.size : x.size >> lost;
  if (lost > 0) {
    uint64_t rest = x.size - (kept << lost), tie = uint64_t{1} << (lost - 1);
    if (rest > tie || (rest == tie && (kept & 1) != 0)) ++kept;
  }
  double size = std::ldexp(static_cast<double>(kept), lost);
  if (size >= kind.beyond) size = std::numeric_limits<double>::infinity();
  return x.negative ? -size : size;
}

/// A float toward 0, cut to what has so many bits; a whole number's low ones.
uint64_t bitsOf(const Number& x, int bits, bool isSigned) {
  if (!x.isFloat) return x.negative ? 0 - x.size : x.size;
  if (std::isnan(x.real)) return 0;
  double beyond = std::ldexp(1.0, isSigned ? bits - 1 : bits), least = isSigned ? -beyond : 0, value = std::trunc(x.real);
  uint64_t all = ~uint64_t{0} >> (64 - bits), sign = uint64_t{1} << (bits - 1);
  if (value >= beyond) return isSigned ? all >> 1 : all;
  if (value <= least) return isSigned ? sign : 0;
  return value < 0 ? static_cast<uint64_t>(static_cast<int64_t>(value)) : static_cast<uint64_t>(value);
}

bool isTrue(const Number& x) { return x.isFloat ? x.real != 0 : x.size != 0; }

}  // namespace

void castNumber(ElementType from, ElementType to, const std::byte* given, std::byte* out) {
  Number x = numberAt(from, given);
  switch (to) {
    case ElementType::F32: return put(out, static_cast<float>(rounded(x, kSingle)));
    case ElementType::F16: return put(out, halfOfFloat(static_cast<float>(rounded(x, kHalf))));
    case ElementType::BF16: return put(out, bfloatOfFloat(static_cast<float>(rounded(x, kBfloat))));
    case ElementType::F64: return put(out, rounded(x, kDouble));
    case ElementType::I8: return put(out, static_cast<uint8_t>(bitsOf(x, 8, true)));
    case ElementType::U8: return put(out, static_cast<uint8_t>(bitsOf(x, 8, false)));
    case ElementType::I16: return put(out, static_cast<uint16_t>(bitsOf(x, 16, true)));
    case ElementType::U16: return put(out, static_cast<uint16_t>(bitsOf(x, 16, false)));
    case ElementType::I32: return put(out, static_cast<uint32_t>(bitsOf(x, 32, true)));
    case ElementType::U32: return put(out, static_cast<uint32_t>(bitsOf(x, 32, false)));
    case ElementType::I64: return put(out, bitsOf(x, 64, true));
    case ElementType::U64: return put(out, bitsOf(x, 64, false));
    default: return put(out, uint8_t{isTrue(x)});
  }
}

/// The result is judged as f32, as all results are; where that rounds, tests/numeric/CastTest.cpp holds the bits.
ReferenceResult referenceOf(const CastOp& op, Inputs inputs, DataKind, const ReferenceScope& scope) {
  ReferenceResult result = unseen(op.output());
  constexpr double kWork = 20;
  constexpr size_t kMostBytes = 34;
  ElementType number = isQuantised(op.to) ? ElementType::F32 : op.to;
  const ElementFormat& format = formatOf(op.to);
  const auto* x = static_cast<const std::byte*>(inputs[0].data);
  forRows(static_cast<int64_t>(result.value.size()) / format.block, kWork * static_cast<double>(format.block), scope, [&](int64_t block) {
    std::array<float, CodedBlock::kElements> values;
    std::array<std::byte, kMostBytes> kept;
    for (int64_t i = 0; i < format.block; ++i) {
      castNumber(op.from, number, x + bytesOf(op.from, block * format.block + i), kept.data());
      rowValues(number, kept.data(), 1, &values[static_cast<size_t>(i)]);
    }
    if (isQuantised(op.to)) {
      keptBlock(values.data(), kept.data());
      rowValues(op.to, kept.data(), format.block, values.data());
    }
    for (int64_t i = 0; i < format.block; ++i) {
      auto element = static_cast<size_t>(block * format.block + i);
      result.value[element] = values[static_cast<size_t>(i)];
      result.limit[element] = 0;
    }
  });
  return result;
}

}  // namespace quern
