// models/files/FileKind.h — what a file that is no model turns out to be, and names from files as messages show them.
#pragma once

#include <string>
#include <string_view>

namespace quern {

/// What the first bytes of a file say it is, as a predicate with what would help: "is a Git LFS pointer: ...".
/// "" where they say nothing known. `fileBytes` is the file's whole length.
std::string foreignKind(std::string_view firstBytes, size_t fileBytes);

/// escaped(), cut in the middle where it is longer than 120 characters: for names whose length a file decides.
std::string escapedShort(std::string_view text);

/// "1 tensor", "3 tensors"
std::string counted(size_t count, std::string_view noun);

}  // namespace quern
