// compiler/op/BlockFormat.cpp — see BlockFormat.h.
#include "compiler/op/BlockFormat.h"

#include "compiler/base/Check.h"

#include <algorithm>

namespace quern {

namespace {

// Of iq4_nl and iq4_xs: 16 steps that grow away from zero. Of mxfp4: twice the numbers of E2M1 (OCP Microscaling Formats 1.0, 5.3.3).
constexpr CodeTable kGrowing = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr CodeTable kTwiceE2M1 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace

int64_t BlockFormat::scaleBytes() const {
  if (scales == SubScales::None) return 0;
  return scales == SubScales::SixBits ? 12 : formatOf(type).block / each;
}

const BlockFormat& blockFormatOf(ElementType type) {
  std::span<const BlockFormat> all = blockFormats();
  auto found = std::find_if(all.begin(), all.end(), [&](const BlockFormat& each) { return each.type == type; });
  QUERN_CHECK(found != all.end());
  return *found;
}

std::span<const BlockFormat> blockFormats() {
  using enum ElementType;
  using enum Minima;
  constexpr auto kNoScales = SubScales::None;

  static constexpr BlockFormat kRows[] = {
      // type, each, low, high, bias, minima, scales, table, power, ownLoops
      {Q8_0, 32, 8, 0, 0, None, kNoScales, nullptr, false, true},
      {Q4_0, 32, 4, 0, 8, None, kNoScales, nullptr, false, true},
      {Q4_1, 32, 4, 0, 0, Added, kNoScales, nullptr, false, false},
      {Q5_0, 32, 4, 1, 16, None, kNoScales, nullptr, false, false},
      {Q5_1, 32, 4, 1, 0, Added, kNoScales, nullptr, false, false},
      {Q2_K, 16, 2, 0, 0, Subtracted, SubScales::Nibbles, nullptr, false, false},
      {Q3_K, 16, 2, 1, 4, None, SubScales::Signed, nullptr, false, false},
      {Q4_K, 32, 4, 0, 0, Subtracted, SubScales::SixBits, nullptr, false, true},
      {Q5_K, 32, 4, 1, 0, Subtracted, SubScales::SixBits, nullptr, false, false},
      {Q6_K, 16, 4, 2, 32, None, SubScales::Signed, nullptr, false, true},
      {IQ4_NL, 32, 4, 0, 0, None, kNoScales, &kGrowing, false, false},
      {IQ4_XS, 32, 4, 0, 0, None, SubScales::Signed, &kGrowing, false, false},
      {MXFP4, 32, 4, 0, 0, None, kNoScales, &kTwiceE2M1, true, false},
  };

  return kRows;
}

std::string blockFormatNames() {
  std::string names;
  for (const BlockFormat& each : blockFormats()) names += (names.empty() ? "" : ", ") + std::string(text(each.type));
  return names;
}

int64_t packedBytesOf(ElementType type, int64_t elements) {
  bool blocks = isQuantised(type) && type != ElementType::Q8;
  return blocks ? elements / formatOf(type).block * blockFormatOf(type).packedBytes() : bytesOf(type, elements);
}

}  // namespace quern
