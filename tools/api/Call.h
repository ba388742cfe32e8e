// tools/api/Call.h — a caller's arrays as the kernels of an op take them.
#pragma once

#include "compiler/store/CallArguments.h"
#include "tools/api/quern.h"

#include <optional>
#include <span>

namespace quern::api {

using Arrays = std::span<const quern_array>;

/// A weight in the layout of its op's kernels: what quern_weight stands for.
struct Weight {
  static constexpr uint64_t kKind = 3;
  static constexpr const char* kName = "weight";
  PackLayout layout;
  std::unique_ptr<std::byte[]> data;
};

/// What an array is but its address.
struct ArrayForm {
  int32_t type = 0, rank = 0;
  bool packed = false, strided = false;
  int64_t shape[QUERN_MAX_RANK] = {}, strides[QUERN_MAX_RANK] = {};  ///< strides: where strided

  /// Errors   BadInput: a rank, type, extent or stride that no array has; one of more elements than there can be.
  static Result<ArrayForm> of(const quern_array& array);
  bool isOf(const quern_array& array) const;
  std::vector<int64_t> extents() const { return {shape, shape + rank}; }
  /// From the first element to behind the last. Errors: none where of() had none.
  int64_t elementsCovered() const;
};

/// A call for arrays of certain forms: all that is left to do is to give it addresses. Threads: one at a time.
class BoundCall {
public:
  /// `arrays`: inputs, then the output; on at most so many threads.
  /// Errors   BadInput naming the operand and what would be right.
  static Result<std::unique_ptr<BoundCall>> make(const OpDesc& op, const KernelSet& kernels, Arrays arrays, int threads);

  bool serves(Arrays arrays, int threads) const;
  /// Takes the addresses of arrays that it serves. Weights that are not packed are packed.
  /// Errors   BadInput: an address is missing, the output overlaps an input, an id names no row; BadCommand: a weight that was freed.
  Result<void> place(Arrays arrays);

  /// Forgets the weights of the last call, which somebody may have freed.
  void letGo();

  KernelCall& call() { return *call_; }
  double flops() const { return flops_; }

private:
  /// One array of the op's, inputs first, the output last.
  struct Operand {
    TensorSpec spec;
    ArrayForm form;
    int64_t bytes = 0;                  ///< that it covers
    std::optional<PackLayout> packing;  ///< as its kernels want it
    std::unique_ptr<std::byte[]> own;   ///< a weight that came as it is, packed
    std::shared_ptr<Weight> held;       ///< the weight of the last call
  };
  explicit BoundCall(int threads) : threads_(threads) {}
  Result<void> fit(Operand& operand, const KernelBuffer& buffer) const;
  Result<const void*> addressOf(Operand& operand, const quern_array& array);
  Result<void> checkOverlap(Arrays arrays) const;
  void copyAdded(const void* from, void* to) const;

  std::string op_;  ///< its text
  std::vector<Operand> operands_;
  std::optional<size_t> added_;     ///< the input that the result is added to, in place
  std::optional<size_t> replaced_;  ///< the input that the result may be written over
  int threads_;
  double flops_ = 0;
  std::optional<KernelCall> call_;
};

}  // namespace quern::api
