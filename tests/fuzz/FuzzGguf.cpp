// tests/fuzz/FuzzGguf.cpp — any bytes as a GGUF file: refused in plain words, or every tensor and value can be read. Built by run.
#include "models/files/Gguf.h"
#include "models/files/WeightValues.h"
#include "tests/fuzz/FuzzSupport.h"

#include <algorithm>

using namespace quern;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto file = parseGguf(bytes, "x.gguf");
  if (!file) {
    checkMessage(file.error());
    return 0;
  }
  checkTensors(bytes, file->tensors, file->dataBegin);
  for (const auto& [key, value] : file->metadata.values()) {
    const Metadata& metadata = file->metadata;
    checkAnswer(metadata.string(key));
    checkAnswer(metadata.integer(key, INT64_MIN, INT64_MAX));
    checkAnswer(metadata.number(key));
    checkAnswer(metadata.boolean(key));
    checkAnswer(metadata.floats(key));
    checkAnswer(metadata.integers(key));
    auto strings = metadata.strings(key);
    checkAnswer(strings);
    size_t sum = 0;
    if (strings)
      for (std::string_view text : *strings) sum += static_cast<size_t>(std::count(text.begin(), text.end(), 'x'));
    QUERN_CHECK(sum <= size);
  }
  return 0;
}
