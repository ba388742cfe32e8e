// models/files/GgufWriter.cpp — see GgufWriter.h.
#include "models/files/GgufWriter.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"

#include <bit>
#include <fmt/format.h>

namespace quern {

// The format's numbers of value types.
static constexpr uint32_t kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kU64 = 10;

template <class T>
static void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

static void putString(std::string& out, std::string_view text) {
  put(out, static_cast<uint64_t>(text.size()));
  out += text;
}

template <class T>
static void putArray(std::string& out, uint32_t type, std::span<const T> values) {
  put(out, type);
  put(out, static_cast<uint64_t>(values.size()));
  for (const T& value : values) put(out, value);
}

void GgufWriter::key(std::string_view name, uint32_t type) {
  putString(keys_, name);
  put(keys_, type);
  ++keyCount_;
}

void GgufWriter::u32(std::string_view name, uint32_t value) {
  key(name, kU32);
  put(keys_, value);
}

void GgufWriter::i32(std::string_view name, int32_t value) {
  key(name, kI32);
  put(keys_, value);
}

void GgufWriter::u64(std::string_view name, uint64_t value) {
  key(name, kU64);
  put(keys_, value);
}

void GgufWriter::f32(std::string_view name, float value) {
  key(name, kF32);
  put(keys_, value);
}

void GgufWriter::boolean(std::string_view name, bool value) {
  key(name, kBool);
  put(keys_, static_cast<uint8_t>(value));
}

void GgufWriter::string(std::string_view name, std::string_view value) {
  key(name, kString);
  putString(keys_, value);
}

void GgufWriter::strings(std::string_view name, std::span<const std::string> values) {
  key(name, kArray);
  put(keys_, kString);
  put(keys_, static_cast<uint64_t>(values.size()));
  for (const std::string& value : values) putString(keys_, value);
}

void GgufWriter::floats(std::string_view name, std::span<const float> values) {
  key(name, kArray);
  putArray(keys_, kF32, values);
}

void GgufWriter::integers(std::string_view name, std::span<const int32_t> values) {
  key(name, kArray);
  putArray(keys_, kI32, values);
}

void GgufWriter::raw(std::string_view bytes) {
  keys_ += bytes;
  ++keyCount_;
}

void GgufWriter::alignment(uint32_t bytes) {
  QUERN_CHECK(std::has_single_bit(bytes) && bytes >= 8);
  alignment_ = bytes;
  u32("general.alignment", bytes);
}

void GgufWriter::tensor(std::string name, TensorType type, std::vector<int64_t> shape, ByteSource source) {
  FileTensor tensor;
  tensor.name = std::move(name);
  tensor.type = type;
  tensor.shape = std::move(shape);
  tensors_.push_back({std::move(tensor), std::move(source)});
}

Result<void> GgufWriter::write(const std::string& path) const {
  std::string infos;
  int64_t offset = 0;
  std::vector<int64_t> sizes;
  for (const Waiting& waiting : tensors_) {
    const FileTensor& tensor = waiting.tensor;
    auto bytes = tensorBytes(tensor.type, tensor.shape);
    int id = infoOf(tensor.type).ggufId;
    if (id < 0 || !bytes || tensor.shape.empty() || tensor.shape.size() > 4 || tensor.name.size() > 64)
      return badInput(fmt::format("{}: tensor '{}', {} of {}, cannot be written to GGUF", escapedShort(path), escapedShort(tensor.name),
                                  dimensionsText(tensor.shape), nameOf(tensor.type)));
    putString(infos, tensor.name);
    put(infos, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;) put(infos, static_cast<uint64_t>(tensor.shape[i]));
    put(infos, static_cast<uint32_t>(id));
    put(infos, static_cast<uint64_t>(offset));
    sizes.push_back(*bytes);
    offset += roundUp(*bytes, alignment_);
  }
  std::string head = "GGUF";
  put(head, uint32_t{3});
  put(head, static_cast<uint64_t>(tensors_.size()));
  put(head, keyCount_);
  auto headBytes = static_cast<int64_t>(head.size() + keys_.size() + infos.size());
  auto file = AtomicFile::create(path);
  if (!file) return file.error();
  for (std::string_view part : {std::string_view(head), std::string_view(keys_), std::string_view(infos)})
    if (auto good = file->write(part); !good) return good;
  if (auto good = file->pad(roundUp(headBytes, alignment_) - headBytes); !good) return good;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (auto good = writeAll(*file, tensors_[i].tensor.name, sizes[i], tensors_[i].source); !good) return good;
    if (auto good = file->pad(roundUp(sizes[i], alignment_) - sizes[i]); !good) return good;
  }
  return file->commit();
}

}  // namespace quern
