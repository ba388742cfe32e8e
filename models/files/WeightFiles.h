// models/files/WeightFiles.h — a model's named tensors and descriptions, whatever files they lie in.
#pragma once

#include "models/files/FileTensor.h"
#include "models/files/Json.h"
#include "models/files/MappedFile.h"
#include "models/files/Metadata.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace quern {

/// What a folder's tokenizer is read from: its tokenizer.json, else tokenizer.model, vocab.json (where it has merges.txt) or vocab.txt; "".
std::string tokenizerFileIn(const std::string& folder);

enum class WeightFormat { Gguf, Safetensors };

/// Everything between a path on the command line and checked, named tensors. Nothing is copied: tensors and metadata point
/// into the mapped files, which live as long as this (moving it keeps addresses).
///
/// Threads  const access from many.
class WeightFiles {
public:
  /// `path`: a .gguf file (the first of a split one), or a folder with config.json and *.safetensors.
  /// Errors   BadInput naming the file, the field or tensor, its value, and what would be right.
  /// Cost     a small multiple of the metadata's bytes; the tensors' bytes are not read.
  static Result<WeightFiles> open(const std::string& path);

  /// An adapter's: a .gguf file, or PEFT's adapter_model.safetensors, or the folder that it lies in beside its adapter_config.json, which
  /// config() then is. Errors: as open.
  static Result<WeightFiles> openAdapter(const std::string& path);

  /// Tensors that the files lack because they lie packed elsewhere: known by name, type and shape, without data.
  /// Errors   BadInput: one that the files have.
  Result<void> addAbsent(std::vector<FileTensor> tensors);

  /// Takes keys of the metadata or of config.json ("rope_scaling", "rope_scaling.factor") away, with a remark each.
  /// Errors   BadCommand: a key that is not there, with the nearest one.
  Result<void> ignoreKeys(std::span<const std::string> keys);

  WeightFormat format() const { return format_; }
  const std::string& path() const { return path_; }  ///< as it was given
  const std::vector<MappedFile>& files() const { return files_; }
  const std::vector<FileTensor>& tensors() const { return tensors_; }  ///< file by file, by their place in it
  const FileTensor* find(std::string_view name) const;                 ///< null where there is none
  int64_t tensorBytes() const;                                         ///< of all tensors

  /// GGUF's key/values (of the first file of a split one); empty for safetensors.
  const Metadata& metadata() const { return metadata_; }
  /// GGUF: the format's version; 0 for safetensors.
  int ggufVersion() const { return ggufVersion_; }
  int64_t alignment() const { return alignment_; }
  /// config.json as a tree, an object; null for GGUF. Its path for messages: configPath().
  const JsonValue* config() const { return config_.get(); }
  const std::string& configPath() const { return configPath_; }
  /// tokenizerFileIn() of the folder; "" for GGUF (whose tokenizer is in the metadata).
  const std::string& tokenizerPath() const { return tokenizerPath_; }
  /// The folder's tokenizer_config.json; "" where it has none.
  const std::string& tokenizerConfigPath() const { return tokenizerConfigPath_; }
  /// The folder's generation_config.json; "" where it has none.
  const std::string& generationPath() const { return generationPath_; }
  /// config.json and the files beside it that a model or its tokenizer is read from: as many as there are.
  const std::vector<std::string>& smallFiles() const { return smallFiles_; }
  /// What was passed over, a line each.
  const std::vector<std::string>& remarks() const { return remarks_; }

  /// Errors   BadInput naming a file that changed since it was opened: what was read of it may be of two files.
  Result<void> checkUnchanged() const;

  /// Gives back the memory of a tensor that was copied elsewhere (whole pages that only it has).
  void drop(const FileTensor& tensor) const;

private:
  Result<void> openGguf(const std::string& path);
  Result<void> openFolder(const std::string& folder);
  Result<void> openPeft(const std::string& folder);
  Result<void> addShard(const std::string& folder, const std::string& name);
  Result<void> checkCount(const std::string& path, size_t more) const;
  Result<void> index();

  WeightFormat format_ = WeightFormat::Gguf;
  std::string path_, configPath_, tokenizerPath_, tokenizerConfigPath_, generationPath_;
  std::vector<std::string> smallFiles_, remarks_;
  std::vector<MappedFile> files_;
  std::vector<FileTensor> tensors_;
  std::vector<uint32_t> byName_;  ///< indices of tensors_, sorted by name
  Metadata metadata_;
  int ggufVersion_ = 0;
  int64_t alignment_ = 0;
  std::unique_ptr<JsonValue> config_;
};

}  // namespace quern
