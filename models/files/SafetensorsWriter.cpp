// models/files/SafetensorsWriter.cpp — see SafetensorsWriter.h.
#include "models/files/SafetensorsWriter.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace quern {

void SafetensorsWriter::tensor(std::string name, TensorType type, std::vector<int64_t> shape, ByteSource source) {
  FileTensor tensor;
  tensor.name = std::move(name);
  tensor.type = type;
  tensor.shape = std::move(shape);
  tensors_.push_back({std::move(tensor), std::move(source)});
}

Result<void> SafetensorsWriter::write(const std::string& path) const {
  auto bad = [&](const FileTensor& tensor, const char* why) {
    return badInput(fmt::format("{}: tensor '{}' {}", escapedShort(path), escapedShort(tensor.name), why));
  };
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  for (const auto& [key, value] : notes_) header["__metadata__"][key] = value;
  int64_t offset = 0;
  for (const Waiting& waiting : tensors_) {
    const FileTensor& tensor = waiting.tensor;
    auto bytes = tensorBytes(tensor.type, tensor.shape);
    if (infoOf(tensor.type).dtype.empty() || !bytes) return bad(tensor, "cannot be written to safetensors");
    if (tensor.name == "__metadata__" || header.contains(tensor.name)) return bad(tensor, "has a name that is taken");
    header[tensor.name] = {{"dtype", infoOf(tensor.type).dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + *bytes}}};
    offset += *bytes;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  auto length = static_cast<uint64_t>(text.size());
  auto file = AtomicFile::create(path);
  if (!file) return file.error();
  if (auto good = file->write(std::as_bytes(std::span(&length, 1))); !good) return good;
  if (auto good = file->write(text); !good) return good;
  for (const Waiting& waiting : tensors_)
    if (auto good = writeAll(*file, waiting.tensor.name, *tensorBytes(waiting.tensor.type, waiting.tensor.shape), waiting.source); !good)
      return good;
  return file->commit();
}

}  // namespace quern
