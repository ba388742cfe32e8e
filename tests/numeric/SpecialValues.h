// tests/numeric/SpecialValues.h — what the tests of special values share: one kernel run with values put into plain data, and
// what each element must then be.
#pragma once

#include "tests/numeric/KernelRuns.h"

#include <limits>

namespace quern {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
inline constexpr float kLargest = std::numeric_limits<float>::max();
inline constexpr float kTiny = std::numeric_limits<float>::denorm_min(), kSmallestNormal = std::numeric_limits<float>::min();
inline constexpr float kLargestDenormal = kSmallestNormal - kTiny;

/// Below a vector, one, one and a bit, several with a tail.
inline constexpr int64_t kLengths[] = {1, 3, 16, 17, 65, 130};

/// The first, a middle and the last of `length`, each once.
std::vector<int64_t> placesIn(int64_t length);

/// What one element of an output must be.
enum class Want : uint8_t {
  Right,  ///< the reference's value within its limit
  Clean,  ///< the very bits of the run without special values
  Nan,
  Infinity,
  MinusInfinity,
  Zero,  ///< of either sign
  PlusZero,
  MinusZero,
};

/// A kernel, its plain inputs and what it made of them.
class SpecialKernel {
public:
  /// `offset`: elements between an operand and the unmapped page at its end.
  SpecialKernel(KernelSet kernel, const OpDesc& op, const DimValues& dims, uint64_t seed, int64_t offset = 0);

  /// Operand i, for reading; what is written into it is gone with the next run.
  float* input(size_t i) const { return inputs_.arrays[i].f32(); }
  const std::vector<float>& clean() const { return clean_; }

  /// Runs with what `plant` writes into the inputs: "" or the first element that is not what `want` says of it.
  /// Where `want` says NaN or zero, the reference must agree.
  std::string wrongWith(const std::function<void(const SpecialKernel&)>& plant, const std::function<Want(size_t)>& want);

private:
  KernelSet kernel_;
  DimValues dims_;
  CheckRun run_;
  CheckInputs inputs_;
  std::vector<std::vector<float>> plain_;
  std::vector<float> clean_;
};

/// What softmax makes of element j of a line of which the first `visible` count: its rule for special values.
Want softmaxWant(std::span<const float> line, int64_t visible, int64_t j);

/// How many of `columns` row `row` of `rows` sees: causal=1, causal=topleft, or all.
int64_t visibleOf(Causal causal, int64_t row, int64_t rows, int64_t columns);

}  // namespace quern
