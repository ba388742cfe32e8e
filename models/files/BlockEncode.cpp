// models/files/BlockEncode.cpp — see BlockEncode.h. Of a few scales near the plain one, each refined by least squares, the one of least
// squared error is taken; codes are then the nearest with scales as they are stored.
#include "models/files/BlockEncode.h"

#include "compiler/base/Half.h"
#include "compiler/op/BlockFormat.h"
#include "compiler/op/BlockValues.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>

namespace quern {

namespace {

using Values = std::span<const float>;

/// Stores it; false where it is beyond f16. `value` becomes what is stored.
bool storeHalf(float& value, uint8_t* out) {
  uint16_t half = halfOfFloat(value);
  std::memcpy(out, &half, 2);
  value = floatOfHalf(half);
  return (half & 0x7c00) != 0x7c00;
}

float reciprocal(float value) {
  float inverse = value == 0 ? 0.0F : 1.0F / value;
  return std::isfinite(inverse) ? inverse : 0.0F;  // a step below the floats' range is zero in f16 anyway
}

int whole(float value, int low, int high) {
  return static_cast<int>(std::nearbyint(std::clamp(value, static_cast<float>(low), static_cast<float>(high))));
}

float ofLargestSize(Values x) {
  float found = 0;
  for (float each : x)
    if (std::fabs(each) > std::fabs(found)) found = each;
  return found;
}

/// What codes stand for before they are scaled: code + lowest, or what a table has.
class Levels {
public:
  Levels(int lowest, int count) : lowest_(lowest), count_(count) {}
  explicit Levels(const CodeTable& table) : lowest_(0), count_(16), table_(&table) {
    for (size_t i = 0; i < 15; ++i) between_[i] = (static_cast<float>(table[i]) + static_cast<float>(table[i + 1])) / 2;
  }

  /// The code nearest to `scaled`.
  int code(float scaled) const {
    if (table_ == nullptr) return whole(scaled - static_cast<float>(lowest_), 0, count_ - 1);
    int above = 0;
    for (float each : between_) above += scaled > each ? 1 : 0;
    return above;
  }
  float level(int code) const { return static_cast<float>(table_ == nullptr ? code + lowest_ : (*table_)[static_cast<size_t>(code)]); }
  /// The level of largest size.
  float farthest() const { return level(0); }

private:
  int lowest_, count_;
  const CodeTable* table_ = nullptr;  // ascending
  std::array<float, 15> between_{};
};

double errorOf(Values x, const Levels& levels, float step, float least = 0) {
  float inverse = reciprocal(step);
  double error = 0;
  for (float each : x) {
    double off = step * levels.level(levels.code((each + least) * inverse)) - least - each;
    error += off * off;
  }
  return error;
}

/// The scale by which the levels are nearest to x; the value of largest size takes the farthest level, or about it.
float searchedStep(Values x, const Levels& levels) {
  constexpr int kTries = 5;
  constexpr float kPart = 0.03F;
  float plain = ofLargestSize(x) / levels.farthest(), best = plain;
  double least = errorOf(x, levels, plain);
  for (int side : {1, -1})
    for (int i = 0; i < 2 * kTries; ++i) {
      float near = static_cast<float>(side) * plain * (1 + kPart * static_cast<float>(i - kTries)), inverse = reciprocal(near);
      double ofLevels = 0, squares = 0;
      for (float each : x) {
        double level = levels.level(levels.code(each * inverse));
        ofLevels += level * each, squares += level * level;
      }
      auto fitted = static_cast<float>(squares == 0 ? 0 : ofLevels / squares);
      if (double error = errorOf(x, levels, fitted); error < least) least = error, best = fitted;
    }
  return best;
}

/// x is about step code - least, least not below 0 where `below`: of ranges a little smaller than x's own.
struct Range {
  float step = 0, least = 0;
};
Range searchedRange(Values x, int count, bool below) {
  constexpr int kTries = 8;
  constexpr float kPart = 0.03F;
  Levels levels(0, count);
  auto [low, high] = std::minmax_element(x.begin(), x.end());
  float from = below ? std::min(0.0F, *low) : *low, to = below ? std::max(0.0F, *high) : *high;
  Range best{(to - from) / static_cast<float>(count - 1), -from};
  double error = errorOf(x, levels, best.step, best.least);
  Range plain = best;
  for (int i = 0; i < kTries; ++i) {
    float shrunk = plain.step * (1 - kPart * static_cast<float>(i)), inverse = reciprocal(shrunk);
    double n = static_cast<double>(x.size()), codes = 0, squares = 0, sum = 0, products = 0;
    for (float each : x) {
      double code = levels.code((each + plain.least) * inverse);
      codes += code, squares += code * code, sum += each, products += code * each;
    }
    double spread = n * squares - codes * codes;
    if (spread <= 0) continue;
    double step = (n * products - codes * sum) / spread, offset = (sum - step * codes) / n;
    if (below && offset > 0) offset = 0, step = squares == 0 ? 0 : products / squares;
    Range fitted{static_cast<float>(std::max(0.0, step)), static_cast<float>(-offset)};
    if (double own = errorOf(x, levels, fitted.step, fitted.least); own < error) error = own, best = fitted;
  }
  return best;
}

/// The stored scale near `wanted` for which `error` is least.
template <class Error>
int nearScale(float wanted, int low, int high, const Error& error) {
  int best = whole(wanted, low, high);
  double least = error(best);
  for (int other : {best - 1, best + 1})
    if (other >= low && other <= high)
      if (double own = error(other); own < least) least = own, best = other;
  return best;
}

void putNibbles(const int* codes, uint8_t* out) {
  for (int i = 0; i < 16; ++i) out[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}
void putFifths(const int* codes, uint8_t* out) {
  std::fill_n(out, 4, uint8_t{0});
  for (int i = 0; i < 32; ++i) out[i / 8] = static_cast<uint8_t>(out[i / 8] | (codes[i] >> 4) << (i % 8));
}
/// `bits` pieces of 256 codes, each group of 32 above the one before, from `first` of each code on: `groups` of them in 32 bytes.
void putGroups(const int* codes, int first, int bits, int groups, uint8_t* out) {
  std::fill_n(out, 256 / groups, uint8_t{0});
  for (int i = 0; i < 256; ++i) {
    uint8_t& byte = out[32 * (i / (32 * groups)) + i % 32];
    byte = static_cast<uint8_t>(byte | ((codes[i] >> first) & ((1 << bits) - 1)) << (bits * (i / 32 % groups)));
  }
}

void codesOf(Values x, const Levels& levels, float step, float least, int* codes) {
  float inverse = reciprocal(step);
  for (size_t i = 0; i < x.size(); ++i) codes[i] = levels.code((x[i] + least) * inverse);
}

template <int count>
bool putWithMinimum(const float* in, uint8_t* out) {
  Values x(in, 32);
  Range range = searchedRange(x, count, false);
  float minimum = -range.least;
  bool good = storeHalf(range.step, out), both = storeHalf(minimum, out + 2) && good;
  int codes[32];
  codesOf(x, Levels(0, count), range.step, -minimum, codes);
  if (count == 32) putFifths(codes, out + 4);
  putNibbles(codes, out + (count == 32 ? 8 : 4));
  return both;
}

bool putQ5_0(const float* in, uint8_t* out) {
  Values x(in, 32);
  Levels levels(-16, 32);
  float d = searchedStep(x, levels);
  bool good = storeHalf(d, out);
  int codes[32];
  codesOf(x, levels, d, 0, codes);
  putFifths(codes, out + 2);
  putNibbles(codes, out + 6);
  return good;
}

bool putIq4_nl(const float* in, uint8_t* out) {
  Values x(in, 32);
  Levels levels(*blockFormatOf(ElementType::IQ4_NL).table);
  float d = searchedStep(x, levels);
  bool good = storeHalf(d, out);
  int codes[32];
  codesOf(x, levels, d, 0, codes);
  putNibbles(codes, out + 2);
  return good;
}

/// Sizes of twice E2M1, and a sign in the fourth bit. Of two powers of two the one of less error.
bool putMxfp4(const float* in, uint8_t* out) {
  const CodeTable& table = *blockFormatOf(ElementType::MXFP4).table;
  Values x(in, 32);
  float amax = std::fabs(ofLargestSize(x));
  auto codeOf = [&](float value, float inverse) {
    float size = std::fabs(value) * inverse;
    int code = 0;
    for (int i = 0; i < 7; ++i)
      code += size > static_cast<float>(table[static_cast<size_t>(i)] + table[static_cast<size_t>(i + 1)]) / 2 ? 1 : 0;
    return code | (std::signbit(value) && code != 0 ? 8 : 0);
  };
  int exponent = 0;
  std::frexp(amax, &exponent);  // amax is from half of 2^exponent on
  constexpr int kBias = 128, kMost = 3;
  int codes[32], best = 0;
  double least = INFINITY;
  for (int e : {exponent - kMost + kBias - 1, exponent - kMost + kBias}) {
    int own = amax == 0 ? 0 : std::clamp(e, 0, 254);
    float d = powerOfByte(own), inverse = std::ldexp(1.0F, std::min(127, kBias - own));
    double error = 0;
    for (float each : x) {
      double off = double{d} * table[static_cast<size_t>(codeOf(each, inverse))] - each;
      error += off * off;
    }
    if (error < least) least = error, best = own;
  }
  out[0] = static_cast<uint8_t>(best);
  for (int i = 0; i < 32; ++i) codes[i] = codeOf(in[i], std::ldexp(1.0F, std::min(127, kBias - best)));
  putNibbles(codes, out + 1);
  return true;
}

/// Parts of step code - least, both in whole numbers of d and dmin up to `most`.
struct Parted {
  float d = 0, dmin = 0;
  int scales[16] = {}, minima[16] = {}, codes[256] = {};
  bool good = false;
};
Parted parted(const float* in, int each, int count, int most, uint8_t* d, uint8_t* dmin) {
  Parted out;
  Range ranges[16];
  for (int s = 0; s < 256 / each; ++s) {
    ranges[s] = searchedRange(Values(in + s * each, static_cast<size_t>(each)), count, true);
    out.d = std::max(out.d, ranges[s].step), out.dmin = std::max(out.dmin, ranges[s].least);
  }
  out.d /= static_cast<float>(most), out.dmin /= static_cast<float>(most);
  bool both = storeHalf(out.d, d);
  out.good = storeHalf(out.dmin, dmin) && both;
  if (!out.good) return out;
  Levels levels(0, count);
  for (int s = 0; s < 256 / each; ++s) {
    Values x(in + s * each, static_cast<size_t>(each));
    auto error = [&](int scale, int minimum) {
      return errorOf(x, levels, out.d * static_cast<float>(scale), out.dmin * static_cast<float>(minimum));
    };
    int minimum = whole(ranges[s].least * reciprocal(out.dmin), 0, most);
    out.scales[s] = nearScale(ranges[s].step * reciprocal(out.d), 0, most, [&](int scale) { return error(scale, minimum); });
    out.minima[s] = nearScale(static_cast<float>(minimum), 0, most, [&](int other) { return error(out.scales[s], other); });
    codesOf(x, levels, out.d * static_cast<float>(out.scales[s]), out.dmin * static_cast<float>(out.minima[s]), out.codes + s * each);
  }
  return out;
}

bool putQ2_K(const float* in, uint8_t* out) {
  Parted all = parted(in, 16, 4, 15, out + 80, out + 82);
  for (int s = 0; s < 16; ++s) out[s] = static_cast<uint8_t>(all.scales[s] | all.minima[s] << 4);
  putGroups(all.codes, 0, 2, 4, out + 16);
  return all.good;
}

bool putQ5_K(const float* in, uint8_t* out) {
  Parted all = parted(in, 32, 32, 63, out, out + 2);
  packSixBits(all.scales, all.minima, out + 4);
  putGroups(all.codes, 4, 1, 8, out + 16);
  putGroups(all.codes, 0, 4, 2, out + 48);
  return all.good;
}

/// Parts of step level(code), the step in whole numbers of d from -32 to 31.
bool signedParts(const float* in, int each, const Levels& levels, uint8_t* at, int* scales, int* codes) {
  float steps[16], d = 0;
  int count = 256 / each;
  for (int s = 0; s < count; ++s) steps[s] = searchedStep(Values(in + s * each, static_cast<size_t>(each)), levels);
  d = ofLargestSize(Values(steps, static_cast<size_t>(count))) / -32;
  if (!storeHalf(d, at)) return false;
  for (int s = 0; s < count; ++s) {
    Values x(in + s * each, static_cast<size_t>(each));
    scales[s] = nearScale(steps[s] * reciprocal(d), -32, 31, [&](int scale) { return errorOf(x, levels, d * static_cast<float>(scale)); });
    codesOf(x, levels, d * static_cast<float>(scales[s]), 0, codes + s * each);
  }
  return true;
}

bool putQ3_K(const float* in, uint8_t* out) {
  int scales[16], codes[256];
  if (!signedParts(in, 16, Levels(-4, 8), out + 108, scales, codes)) return false;
  std::fill_n(out + 96, 12, uint8_t{0});
  for (int s = 0; s < 16; ++s) {
    int six = scales[s] + 32;
    uint8_t &low = out[96 + s % 8], &high = out[104 + s % 4];
    low = static_cast<uint8_t>(low | (six & 15) << (s < 8 ? 0 : 4));
    high = static_cast<uint8_t>(high | (six >> 4) << (2 * (s / 4)));
  }
  putGroups(codes, 2, 1, 8, out);
  putGroups(codes, 0, 2, 4, out + 32);
  return true;
}

bool putIq4_xs(const float* in, uint8_t* out) {
  int scales[8], codes[256];
  if (!signedParts(in, 32, Levels(*blockFormatOf(ElementType::IQ4_XS).table), out, scales, codes)) return false;
  std::fill_n(out + 2, 6, uint8_t{0});
  for (int s = 0; s < 8; ++s) {
    int six = scales[s] + 32;
    uint8_t &high = out[2 + s / 4], &low = out[4 + s / 2];
    high = static_cast<uint8_t>(high | (six >> 4) << (2 * (s % 4)));
    low = static_cast<uint8_t>(low | (six & 15) << (4 * (s % 2)));
    putNibbles(codes + 32 * s, out + 8 + 16 * s);
  }
  return true;
}

}  // namespace

void packSixBits(const int* scales, const int* minima, uint8_t* out) {
  std::fill(out, out + 12, uint8_t{0});
  for (int j = 0; j < 4; ++j) {
    out[j] = static_cast<uint8_t>(scales[j] | (scales[j + 4] >> 4) << 6);
    out[j + 4] = static_cast<uint8_t>(minima[j] | (minima[j + 4] >> 4) << 6);
    out[j + 8] = static_cast<uint8_t>((scales[j + 4] & 15) | (minima[j + 4] & 15) << 4);
  }
}

PutBlock searchedEncoderOf(TensorType type) {
  switch (type) {
    case TensorType::Q4_1: return putWithMinimum<16>;
    case TensorType::Q5_1: return putWithMinimum<32>;
    case TensorType::Q5_0: return putQ5_0;
    case TensorType::Q2_K: return putQ2_K;
    case TensorType::Q3_K: return putQ3_K;
    case TensorType::Q5_K: return putQ5_K;
    case TensorType::IQ4_NL: return putIq4_nl;
    case TensorType::IQ4_XS: return putIq4_xs;
    case TensorType::MXFP4: return putMxfp4;
    default: return nullptr;
  }
}

}  // namespace quern
