// tests/fuzz/FuzzSafetensors.cpp — any bytes as a safetensors file, and as JSON of other kinds. Built by run.
#include "models/files/Json.h"
#include "models/files/Safetensors.h"
#include "tests/fuzz/FuzzSupport.h"

using namespace quern;

/// Picks as a reader of tokenizer.json has them; what is taken is counted, so that it is used.
static void pickTokenizer(std::string_view text) {
  int64_t taken = 0;
  auto take = [&](const JsonPlace& place, JsonValue&& value) -> Result<void> {
    taken += static_cast<int64_t>(place.text().size()) + static_cast<int64_t>(std::string_view(value.kind()).size());
    if (taken % 1013 == 0) return badInput("enough");
    return {};
  };
  std::vector<JsonPick> picks = {
      {"model.vocab.*", take}, {"model.merges.*", take}, {"added_tokens.*", take, 8}, {"*.type", take}, {"a.0", take}};
  checkAnswer(pickJson({text, "tokenizer.json", 100}, picks));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto tensors = parseSafetensors(bytes, "model.safetensors");
  if (tensors) checkTensors(bytes, *tensors, 8);
  else checkMessage(tensors.error());
  std::string_view text = bytes.substr(std::min<size_t>(size, 8));
  checkAnswer(parseJson({text, "config.json"}));
  pickTokenizer(text);
  return 0;
}
