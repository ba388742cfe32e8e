// models/files/WeightMix.cpp — see WeightMix.h. File types: llama_ftype of llama.h.
#include "models/files/WeightMix.h"

#include <strings.h>

namespace quern {

using enum TensorType;

static constexpr WeightMix kMixes[] = {
    {"f32", 0, F32, F32, F32},
    {"f16", 1, F16, F16, F16},
    {"bf16", 32, BF16, BF16, BF16},
    {"q8_0", 7, Q8_0, Q8_0, Q8_0},
    {"q4_0", 2, Q4_0, Q4_0, Q4_0},
    {"q4_1", 3, Q4_1, Q4_1, Q4_1},
    {"q5_0", 8, Q5_0, Q5_0, Q5_0},
    {"q5_1", 9, Q5_1, Q5_1, Q5_1},
    {"q2_K", 10, Q2_K, Q2_K, Q2_K},
    {"q3_K", 11, Q3_K, Q3_K, Q3_K},
    {"q4_K", 14, Q4_K, Q4_K, Q4_K},
    {"q5_K", 16, Q5_K, Q5_K, Q5_K},
    {"q6_K", 18, Q6_K, Q6_K, Q6_K},
    {"iq4_nl", 25, IQ4_NL, IQ4_NL, IQ4_NL},
    {"iq4_xs", 30, IQ4_XS, IQ4_XS, IQ4_XS},
    {"mxfp4", 38, MXFP4, MXFP4, MXFP4},
    {"q4_K_M", 15, Q4_K, Q6_K, Q6_K},
};

std::optional<WeightMix> weightMixOf(std::string_view name) {
  for (const WeightMix& mix : kMixes)
    if (mix.name.size() == name.size() && strncasecmp(mix.name.data(), name.data(), name.size()) == 0) return mix;
  return std::nullopt;
}

std::vector<std::string> weightMixNames() {
  std::vector<std::string> names;
  for (const WeightMix& mix : kMixes) names.emplace_back(mix.name);
  return names;
}

TensorType fittingType(TensorType type, int64_t columns) {
  for (TensorType candidate : {type, Q8_0})
    if (columns % infoOf(candidate).blockElements == 0) return candidate;
  return F16;
}

}  // namespace quern
