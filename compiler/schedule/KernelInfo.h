// compiler/schedule/KernelInfo.h — what a caller must know of a compiled kernel: plain data with a text form, stored with it.
#pragma once

#include "compiler/base/Formula.h"
#include "compiler/op/Tensor.h"

namespace quern {

enum class BufferUse : uint8_t { In, Out, InOut, Weight };

/// How a weight lies in memory once packed: panels of `panel` columns, each k x panel contiguous, the last one padded with
/// zeros. Element (b, k, n) is at ((b * panels + n / panel) * depth + k) * panel + n % panel.
struct PackLayout {
  int64_t panel = 0;  ///< 0: not packed
  int64_t depth = 0, columns = 0, batch = 1;
  bool transposed = false;  ///< the source is stored [n,k]

  int64_t panels() const { return panel == 0 ? 0 : (columns + panel - 1) / panel; }
  int64_t elements() const { return batch * panels() * depth * panel; }
  bool operator==(const PackLayout&) const = default;
};

struct KernelBuffer {
  std::string name;
  BufferUse use = BufferUse::In;
  ElementType type = ElementType::F32;
  /// How many run-time strides it takes in QuernArgs.strides: its rank less one, or 0 for a dense buffer.
  int strides = 0;
  PackLayout pack;
  bool operator==(const KernelBuffer&) const = default;
};

/// A phase runs tasks [first, first + count) of quern_kernel's numbering, which counts through all phases.
struct KernelInfo {
  std::string op, schedule;
  std::string contract;            ///< base level, then features the code may use: "x86-64-v4"
  std::string order;               ///< numeric order: "seq"
  std::vector<std::string> dims;   ///< names of QuernArgs.dims, in order
  std::vector<KernelBuffer> buffers;  ///< QuernArgs.buffers, in order
  std::vector<Formula> phases;     ///< tasks of each, over dims
  Formula sharedScratchBytes, threadScratchBytes;
  bool operator==(const KernelInfo&) const = default;
};

/// Lines `key value`; parseKernelInfo(text(x)) == x.
std::string text(const KernelInfo& info);
Result<KernelInfo> parseKernelInfo(std::string_view text);

}  // namespace quern
