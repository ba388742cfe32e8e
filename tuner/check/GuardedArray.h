// tuner/check/GuardedArray.h — memory that ends (or begins) at an unmapped page: reading past an operand is a crash, not luck.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace quern {

/// Where the elements lie between the two unmapped pages.
enum class Flush : uint8_t { End, Begin };

/// `bytes` of zeros between two unmapped pages, `gap` bytes away from the one on its flush side. Throws std::bad_alloc, as other memory
/// does.
class GuardedArray {
public:
  GuardedArray(size_t bytes, Flush flush, size_t gap = 0);
  /// The same, seen by processes that are forked from this one too: what they write is read here.
  static GuardedArray shared(size_t bytes) { return GuardedArray(bytes, Flush::End, 0, true); }

  /// From now on whoever writes here is stopped by the machine.
  void makeReadOnly() const;

  void* data() const { return data_; }
  float* f32() const { return static_cast<float*>(data_); }
  int32_t* i32() const { return static_cast<int32_t*>(data_); }
  size_t bytes() const { return bytes_; }

private:
  GuardedArray(size_t bytes, Flush flush, size_t gap, bool shared);

  std::shared_ptr<void> mapping_;
  void *inner_ = nullptr, *data_ = nullptr;  ///< between the unmapped pages; the elements
  size_t innerBytes_ = 0, bytes_ = 0;
};

}  // namespace quern
