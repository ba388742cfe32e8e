// models/files/FileKind.h — what a file that is no model turns out to be.
#pragma once

#include <string>
#include <string_view>

namespace quern {

/// What the first bytes of a file say it is, as a predicate with what would help: "is a Git LFS pointer: ...".
/// "" where they say nothing known. `fileBytes` is the file's whole length.
std::string foreignKind(std::string_view firstBytes, size_t fileBytes);

}  // namespace quern
