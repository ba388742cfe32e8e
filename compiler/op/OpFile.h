// compiler/op/OpFile.h — ops in TOML: suite files, and one op out of a file (FILE.toml#ID).
#pragma once

#include "compiler/base/Toml.h"
#include "compiler/op/OpDesc.h"

namespace quern {

/// One `[[op]]` of a file: `text = "..."` or the keys apart, and what may stand beside them.
struct OpEntry {
  std::string id;  ///< the file's, else "op-1", "op-2", ...
  OpDesc op;
  std::string schedule;  ///< empty: not given
  std::string cpu;       ///< empty: not given
  std::string at;        ///< "file:line:column"; empty: from the command line
};

struct OpFile {
  std::string name;
  std::vector<OpEntry> entries;
};

/// Errors   BadInput "file:line:column: ...".
Result<OpFile> parseOpFile(const TomlValue& root, const std::string& file);
Result<OpFile> readOpFile(const std::string& path);

}  // namespace quern
