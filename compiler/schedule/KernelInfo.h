// compiler/schedule/KernelInfo.h — what a caller must know of a compiled kernel: plain data with a text form, stored with it.
#pragma once

#include "compiler/base/Formula.h"
#include "compiler/op/Tensor.h"
#include "compiler/schedule/PackLayout.h"

namespace quern {

enum class BufferUse : uint8_t { In, Out, InOut, Weight };

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
  std::string contract;               ///< base level, then features the code may use: "x86-64-v4"
  std::string order;                  ///< numeric order: "seq"
  std::vector<std::string> dims;      ///< names of QuernArgs.dims, in order
  std::vector<KernelBuffer> buffers;  ///< QuernArgs.buffers, in order
  std::vector<Formula> phases;        ///< tasks of each, over dims
  Formula sharedScratchBytes, threadScratchBytes;
  bool operator==(const KernelInfo&) const = default;
};

/// Lines `key value`; parseKernelInfo(text(x)) == x.
std::string text(const KernelInfo& info);
Result<KernelInfo> parseKernelInfo(std::string_view text);

}  // namespace quern
