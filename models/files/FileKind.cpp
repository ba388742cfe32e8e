// models/files/FileKind.cpp — see FileKind.h.
#include "models/files/FileKind.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <fmt/format.h>

namespace quern {

using namespace std::string_view_literals;

static bool looksLikeHtml(std::string_view bytes) {
  size_t first = bytes.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (first == std::string_view::npos) return false;
  std::string start(bytes.substr(first, 14));
  std::transform(start.begin(), start.end(), start.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return start.starts_with("<!doctype html") || start.starts_with("<html") || start.starts_with("<head");
}

/// The length of the file that a Git LFS pointer stands for, as its line `size N` says; "" without one.
static std::string sizeInPointer(std::string_view bytes) {
  size_t at = bytes.find("\nsize ");
  if (at == std::string_view::npos) return "";
  std::string_view rest = bytes.substr(at + 6);
  auto size = parseInt(rest.substr(0, rest.find('\n')));
  return size && *size >= 0 ? fmt::format(" of a file of {} bytes", *size) : "";
}

static bool looksLikeSafetensors(std::string_view bytes, size_t fileBytes) {
  if (bytes.size() < 9 || bytes[8] != '{') return false;
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  return header <= fileBytes - 8;
}

std::string foreignKind(std::string_view bytes, size_t fileBytes) {
  struct Start {
    std::string_view bytes;
    const char* says;
  };
  static constexpr Start kStarts[] = {
      {"GGUF"sv, "is a GGUF file: name it .gguf"},
      {"FUGG"sv, "is a big-endian GGUF file, little-endian is needed"},
      {"lmgg"sv, "is a ggml file without version, of the time before GGUF: convert it to GGUF"},
      {"fmgg"sv, "is a ggmf file, of the time before GGUF: convert it to GGUF"},
      {"tjgg"sv, "is a ggjt file, of the time before GGUF: convert it to GGUF"},
      {"algg"sv, "is a ggla (LoRA) file, of the time before GGUF: convert it to GGUF"},
      {"PK\x03\x04"sv, "is a zip archive, as PyTorch writes its .bin and .pt: convert it to safetensors or GGUF"},
      {"\x80\x02"sv, "is a Python pickle, as PyTorch writes its .bin and .pt: convert it to safetensors or GGUF"},
      {"\x80\x03"sv, "is a Python pickle, as PyTorch writes its .bin and .pt: convert it to safetensors or GGUF"},
      {"\x80\x04"sv, "is a Python pickle, as PyTorch writes its .bin and .pt: convert it to safetensors or GGUF"},
      {"\x89HDF"sv, "is an HDF5 file: convert it to safetensors or GGUF"},
      {"\x93NUMPY"sv, "is a NumPy file: convert it to safetensors or GGUF"},
      {"\x1f\x8b"sv, "is compressed with gzip: unpack it first"},
      {"\x28\xb5\x2f\xfd"sv, "is compressed with zstd: unpack it first"},
      {"\xfd"
       "7zXZ"sv,
       "is compressed with xz: unpack it first"},
      {"\x7f"
       "ELF"sv,
       "is a program"},
  };
  if (bytes.starts_with("version https://git-lfs.github.com/"))
    return fmt::format("is a Git LFS pointer{}, not the file itself: `git lfs pull` fetches it", sizeInPointer(bytes));
  if (looksLikeHtml(bytes)) return "is an HTML page, not a model: look at it to see what the server said";
  for (const Start& start : kStarts)
    if (bytes.starts_with(start.bytes)) return start.says;
  if (looksLikeSafetensors(bytes, fileBytes)) return "is a safetensors file: name the folder that holds it with its config.json";
  if (bytes.starts_with("{")) return "is JSON text";
  return "";
}

}  // namespace quern
