// runtime/Memory.h — the runtime's memory: one mapping per purpose, in huge pages where the system gives them.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace quern {

/// Zeroed pages, asked to be huge. Freed with the last owner.
class HugeMemory {
public:
  HugeMemory() = default;
  /// Errors   Machine: how many bytes were asked for and why they were refused.
  static Result<HugeMemory> make(int64_t bytes);

  std::byte* data() const { return static_cast<std::byte*>(pages_.get()); }
  int64_t bytes() const { return bytes_; }

private:
  std::shared_ptr<void> pages_;
  int64_t bytes_ = 0;
};

/// Zeroed pages that are there twice, one copy behind the other: of a ring of them any stretch lies in one piece.
class RingMemory {
public:
  static constexpr int64_t kPage = 4096;

  /// `bytes`: whole pages, of one copy. Errors   Machine: how many bytes were asked for and why they were refused.
  static Result<RingMemory> make(int64_t bytes);

  std::byte* data() const { return static_cast<std::byte*>(pages_.get()); }

private:
  std::shared_ptr<void> pages_;
};

/// Gives a vector's elements a cache line of their own to begin in: a misaligned array makes every wide load touch two.
template <class T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};
  LineAllocator() = default;
  template <class U>
  LineAllocator(const LineAllocator<U>&) {}
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* memory, size_t) { ::operator delete(memory, kLine); }
  bool operator==(const LineAllocator&) const { return true; }
};

/// A dense array of f32 as kernels like it.
using FloatArray = std::vector<float, LineAllocator<float>>;

/// Places of buffers in one arena, by when they live: two that are never alive at once may share bytes.
class ArenaLayout {
public:
  /// A buffer of `bytes` that is written first in step `first` and read last in step `last`. Returns its index.
  int add(int64_t bytes, int first, int last);
  /// Chooses offsets (largest first, lowest place that is free for its whole life; multiples of 64 bytes).
  void place();

  int64_t offset(int buffer) const { return buffers_[static_cast<size_t>(buffer)].offset; }
  int64_t bytes() const { return bytes_; }  ///< of the arena
  int64_t unsharedBytes() const;            ///< if nothing were shared
private:
  struct Buffer {
    int64_t bytes, offset;
    int first, last;
  };
  std::vector<Buffer> buffers_;
  int64_t bytes_ = 0;
};

}  // namespace quern
