// compiler/base/Caught.h — where exceptions end: those of the standard library, as errors.
#pragma once

#include "compiler/base/Result.h"

#include <exception>
#include <functional>

namespace quern {

/// What an exception is as an error: ours are values, these are the standard library's.
Error errorOf(const std::exception_ptr& thrown);

/// What `body` returns, or the error of what it threw, on a stack that LLVM's passes and parsers of nested text have room on: this
/// thread's, or where `ownStack` says that it is not known to be large one of 8 MiB. Errors: Machine: no thread for that.
Result<int> caught(const std::function<Result<int>()>& body, bool ownStack = false);

/// The usual `ulimit -s`: those need hundreds of KiB of it.
inline constexpr size_t kRoomyStackBytes = 8 << 20;

}  // namespace quern
