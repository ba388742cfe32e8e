// models/files/Safetensors.h — one safetensors file's bytes as tensors, and a folder of them as a list of files.
#pragma once

#include "models/files/FileTensor.h"

#include <string>
#include <utility>
#include <vector>

namespace quern {

inline constexpr int64_t kMostSafetensorsHeader = 100'000'000;  ///< bytes, by the format
inline constexpr int64_t kMostShards = 10'000;

/// `bytes` is the whole file, which the caller keeps; `file` its name for messages. Tensors come by their place.
///
/// Layout   u64 header length (little-endian), the header as JSON, the data. The header is an object of
///          name: {"dtype", "shape", "data_offsets": [begin, end) from the data's first byte} and, perhaps,
///          "__metadata__": an object of strings.
/// Errors   BadInput: everything that disagrees with the file's real length or the format, by name and number.
/// Source   the README of the safetensors project, section Format.
Result<std::vector<FileTensor>> parseSafetensors(std::string_view bytes, const std::string& file);

/// Which files a folder's tensors are in.
struct SafetensorsShards {
  std::vector<std::string> names;                  ///< plain file names in the folder, sorted
  std::string index;                               ///< the index's path; "": there is one file and no index
  std::vector<std::pair<std::string, int>> where;  ///< with an index: tensor and its file, sorted by tensor
  std::string remark;                              ///< what was passed over; "": nothing
};

/// model.safetensors, as Hugging Face's loader has it, whatever lies beside it (an index that names it is held to); else what
/// model.safetensors.index.json names; else the only *.safetensors of the folder that is no adapter and no foreign layout.
/// Errors   BadInput: none, several without an index, an index that names other than plain files beside it.
Result<SafetensorsShards> safetensorsShards(const std::string& folder);

/// Errors   BadInput: a tensor that the index lists for a file and is not there, or is there and not listed so.
Result<void> checkAgainstIndex(const std::string& folder, const SafetensorsShards& shards, std::span<const FileTensor> tensors);

}  // namespace quern
