// models/arch/RopeReading.h — rotary positions as GGUF's metadata and config.json describe them.
#pragma once

#include "models/ModelConfig.h"
#include "models/arch/Needed.h"
#include "models/files/Json.h"
#include "models/files/Metadata.h"

#include <fmt/format.h>
#include <optional>

namespace quern {

/// ARCH.rope.freq_base, ARCH.rope.scaling.* and the older ARCH.rope.scale_linear, ARCH.rope.scale. A factor without a type is linear,
/// as llama.cpp takes it; with the type none it says nothing. YaRN's magnitude is ARCH.rope.scaling.attn_factor times its own.
void readGgufRope(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, RopeConfig& rope);

/// The base of angles that `key` names.
template <class Reader>
double baseOr(Reader& in, const std::string& key, double fallback) {
  double base = in.numberOr(key, fallback);
  if (!(base > 0)) in.refuse(key, fmt::format("{}", base), "a number above 0");
  return base;
}

/// What else of a config.json has a say.
struct HfRope {
  int64_t context = 0;                         ///< positions that the model may have
  double originalContext = 0;                  ///< of training, where a key beside says it; 0: none does
  double part = 1;                             ///< of a head that is turned
  double base = 10000;                         ///< where nothing says it
  std::optional<RopeConfig>* local = nullptr;  ///< of windowed layers, where rope_parameters have each kind by itself; null: they may not
};
/// rope_theta, and rope_scaling or rope_parameters, which newer files have in its place. Types default, linear, llama3, yarn, longrope (or
/// su), and dynamic, which changes nothing within max_position_embeddings.
void readHfRope(Needed<JsonFields>& in, const std::string& file, const JsonValue& root, const HfRope& model, RopeConfig& rope);

}  // namespace quern
