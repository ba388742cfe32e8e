// tests/fuzz/FuzzSupport.h — what must hold for every input, whatever the format.
#pragma once

#include "compiler/base/Check.h"
#include "models/files/FileTensor.h"
#include "models/files/WeightValues.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// A message is one printable line of a sensible length, about an input.
inline void checkMessage(const Error& error) {
  QUERN_CHECK_FOR(error.code == ErrorCode::BadInput, error.message);
  QUERN_CHECK_FOR(!error.message.empty() && error.message.size() < 2000, error.message);
  QUERN_CHECK_FOR(std::all_of(error.message.begin(), error.message.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; }),
                  error.message);
}

template <class T>
void checkAnswer(const Result<T>& result) {
  if (!result) checkMessage(result.error());
}

/// Every tensor lies in the file, behind the one before it, and has the bytes of its shape; its values can be read.
inline void checkTensors(std::string_view bytes, const std::vector<FileTensor>& tensors, int64_t begin) {
  auto size = static_cast<int64_t>(bytes.size());
  const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
  for (const FileTensor& tensor : tensors) {
    QUERN_CHECK_FOR(tensor.bytes == *tensorBytes(tensor.type, tensor.shape), tensor.name);
    QUERN_CHECK_FOR(tensor.offset >= begin, tensor.name);
    begin = tensor.offset + tensor.bytes;
    QUERN_CHECK_FOR(tensor.data >= first && tensor.data + tensor.bytes <= first + size, tensor.name);
    QUERN_CHECK_FOR(tensor.bytes == 0 || tensor.data == first + tensor.offset, tensor.name);
    if (!checkConvertible(tensor.type)) continue;
    std::vector<float> values(static_cast<size_t>(tensor.elements()));  // at most 5 times the file: q2_K's 3 values a byte
    QUERN_CHECK_FOR(static_cast<bool>(toFloats(tensor.type, tensor.data, tensor.elements(), values.data())), tensor.name);
  }
}

}  // namespace quern
