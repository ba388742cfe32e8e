// tools/api/Handles.h — what the C interface gives out in place of addresses: a freed handle is known to be one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace quern::api {

/// Things of one kind, which T::kKind (1 to 15) tells apart from others. A handle's bits: generation (40), slot (20), kind (4).
/// Threads  any, at once; lookups of different handles share no lock.
template <class T>
class Handles {
public:
  /// Never taken down: sessions may live when the program ends, and their threads with them.
  static Handles& all() {
    static auto* table = new Handles;
    return *table;
  }

  /// 0: there are as many as there can be.
  uint64_t add(std::shared_ptr<T> thing) {
    std::lock_guard lock(guard_);
    if (free_.empty() && !grow()) return 0;
    uint32_t index = free_.back();
    free_.pop_back();
    Slot& slot = *slotAt(index);
    std::lock_guard own(slot.guard);
    slot.held = std::move(thing);
    return (++slot.generation << 24) | (uint64_t{index} << 4) | T::kKind;
  }

  /// nullptr: freed, or never one.
  std::shared_ptr<T> find(uint64_t handle) {
    Slot* slot = (handle & 15) == T::kKind ? slotAt(indexOf(handle)) : nullptr;
    if (slot == nullptr) return nullptr;
    std::lock_guard own(slot->guard);
    return slot->generation == handle >> 24 ? slot->held : nullptr;
  }

  /// As find; the handle is none from now on.
  std::shared_ptr<T> take(uint64_t handle) {
    Slot* slot = (handle & 15) == T::kKind ? slotAt(indexOf(handle)) : nullptr;
    if (slot == nullptr) return nullptr;
    std::shared_ptr<T> thing;
    {
      std::lock_guard own(slot->guard);
      if (slot->generation == handle >> 24) thing = std::move(slot->held);  // which leaves none there
    }
    if (thing == nullptr) return nullptr;
    std::lock_guard lock(guard_);
    free_.push_back(indexOf(handle));
    return thing;
  }

private:
  struct Slot {
    std::mutex guard;
    uint64_t generation = 0;
    std::shared_ptr<T> held;
  };
  static constexpr uint32_t kChunk = 256, kChunks = 4096;

  static uint32_t indexOf(uint64_t handle) { return static_cast<uint32_t>(handle >> 4) & (kChunk * kChunks - 1); }
  Slot* slotAt(uint32_t index) {
    Slot* chunk = chunks_[index / kChunk].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : chunk + index % kChunk;
  }
  bool grow() {
    if (grown_ == kChunks) return false;
    free_.reserve(free_.size() + kChunk);
    chunks_[grown_].store(new Slot[kChunk], std::memory_order_release);
    for (uint32_t i = kChunk; i-- > 0;) free_.push_back(grown_ * kChunk + i);
    ++grown_;
    return true;
  }

  std::mutex guard_;
  std::vector<uint32_t> free_;
  uint32_t grown_ = 0;
  std::array<std::atomic<Slot*>, kChunks> chunks_{};
};

}  // namespace quern::api
