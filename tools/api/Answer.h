// tools/api/Answer.h — how a function of the C interface ends: a status, and a message where it is not 0.
#pragma once

#include "compiler/base/Caught.h"
#include "compiler/base/Result.h"
#include "compiler/base/Stop.h"
#include "tools/api/Handles.h"
#include "tools/api/quern.h"

#include <cstring>
#include <exception>

namespace quern::api {

/// Keeps the message for this thread.
int failed(const Error& error) noexcept;
int failed(const std::exception_ptr& thrown) noexcept;

/// What `body`, which returns a Result<void>, ends as. No exception goes past it.
template <class Body>
int answered(const Body& body) noexcept {
  try {
    Result<void> result = body();
    return result ? QUERN_OK : failed(result.error());
  } catch (...) {
    return failed(std::current_exception());
  }
}
/// The same on a stack that compilers and parsers of nested text have room on, whatever this thread's is.
template <class Body>
int answeredOnOwnStack(const Body& body) noexcept {
  return answered([&]() -> Result<void> {
    auto status = caught(
        [&]() -> Result<int> {
          Result<void> result = body();
          return result ? Result<int>(0) : Result<int>(result.error());
        },
        true);
    return status ? Result<void>() : Result<void>(status.error());
  });
}

Error noHandle(const char* kind, bool zero);
Error tooManyHandles(const char* kind);
Error badSize(const char* options, size_t size);
/// Errors   BadCommand naming the argument.
Result<void> given(const void* argument, const char* name);
template <class T>
Result<std::shared_ptr<T>> heldBy(const void* handle) {
  std::shared_ptr<T> thing = Handles<T>::all().find(reinterpret_cast<uintptr_t>(handle));
  if (thing == nullptr) return noHandle(T::kName, handle == nullptr);
  return thing;
}
template <class Handle, class T>
Result<void> handOut(std::shared_ptr<T> thing, Handle* out) {
  uint64_t handle = Handles<T>::all().add(std::move(thing));
  if (handle == 0) return tooManyHandles(T::kName);
  *out = reinterpret_cast<Handle>(static_cast<uintptr_t>(handle));
  return {};
}
/// What a handle is until it is given out.
template <class Handle>
void noHandleYet(Handle* out) {
  if (out != nullptr) *out = nullptr;
}
template <class T>
int freed(const void* handle) {
  return answered([&]() -> Result<void> {
    if (auto held = heldBy<T>(handle); !held) return held.error();
    Handles<T>::all().take(reinterpret_cast<uintptr_t>(handle));
    return {};
  });
}

/// The caller's options, as far as they go; what it does not know of is 0. Structs only grow; `first`: the size that one began with, where
/// it has grown. Errors: BadCommand: a size that no version has.
template <class Options>
Result<Options> optionsOf(const Options* options, const char* name, size_t first = sizeof(Options)) {
  Options own{};
  own.size = sizeof(Options);
  if (options == nullptr) return own;
  if (options->size < first || options->size > 4096) return badSize(name, options->size);
  size_t size = options->size < sizeof(Options) ? options->size : sizeof(Options);
  std::memcpy(&own, options, size);
  return own;
}
/// Fills the part that the caller has room for. Errors: as optionsOf.
template <class Info>
Result<void> fillIn(Info full, Info* out, const char* name) {
  if (auto good = given(out, "info"); !good) return good;
  auto known = optionsOf(out, name);
  if (!known) return known.error();
  size_t size = out->size < sizeof(Info) ? out->size : sizeof(Info);
  full.size = out->size;
  std::memcpy(out, &full, size);
  return {};
}

/// Broken invariants are errors from now on, and forks are counted. Done once.
void becomeLibrary();
/// How often this process is the child of one that had the library: what was made before a fork has lost its threads.
uint32_t forks();

}  // namespace quern::api
