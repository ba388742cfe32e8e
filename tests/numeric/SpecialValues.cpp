// tests/numeric/SpecialValues.cpp — see SpecialValues.h.
#include "tests/numeric/SpecialValues.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace quern {

std::vector<int64_t> placesIn(int64_t length) {
  std::set<int64_t> places = {0, length / 2, length - 1};
  return {places.begin(), places.end()};
}

SpecialKernel::SpecialKernel(KernelSet kernel, const OpDesc& op, const DimValues& dims, uint64_t seed, int64_t offset)
    : kernel_(std::move(kernel)),
      dims_(dims),
      run_{InputData::Specials, seed, Flush::End, 0, offset},
      inputs_(makeInputs(fixed(op, dims), InputData::ZeroMean, seed, Flush::End, offset)) {
  for (const GuardedArray& array : inputs_.arrays) plain_.emplace_back(array.f32(), array.f32() + array.bytes() / 4);
  auto output = runKernel(kernel_, inputs_, dims_, run_);
  REQUIRE(output);
  clean_ = *output;
  // Plain data first: what is compared with it means nothing otherwise.
  Comparison found = compare(reference(inputs_.op, inputs_.tensors, DataKind::Any), clean_);
  INFO(text(inputs_.op) << " on plain data, element " << found.worstAt);
  CHECK(found.worst <= 1);
}

/// "" or what is wrong with `got` where a class of values, not the reference, decides.
static std::string wrongClass(Want want, float got, float clean, double expected) {
  auto is = [&](bool good, const char* name) { return good ? std::string() : fmt::format("is {}, {} is right", shortest(got), name); };
  bool zero = got == 0, minus = std::signbit(got);
  auto rounded = static_cast<float>(expected);
  bool agrees = want == Want::Nan             ? std::isnan(expected)
                : want == Want::Infinity      ? rounded == kInf
                : want == Want::MinusInfinity ? rounded == -kInf
                                              : rounded == 0;
  if (want != Want::Clean && !agrees) return fmt::format("should be {} by the reference: it disagrees with the test", expected);
  switch (want) {
    case Want::Nan: return is(std::isnan(got), "NaN");
    case Want::Infinity: return is(got == kInf, "inf");
    case Want::MinusInfinity: return is(got == -kInf, "-inf");
    case Want::Zero: return is(zero, "a zero");
    case Want::PlusZero: return is(zero && !minus, "+0");
    case Want::MinusZero: return is(zero && minus, "-0");
    case Want::Clean: return is(std::memcmp(&got, &clean, 4) == 0, ("unchanged " + shortest(clean)).c_str());
    case Want::Right: break;
  }
  return "";
}

std::string SpecialKernel::wrongWith(const std::function<void(const SpecialKernel&)>& plant, const std::function<Want(size_t)>& want) {
  for (size_t i = 0; i < plain_.size(); ++i) std::copy(plain_[i].begin(), plain_[i].end(), input(i));
  plant(*this);
  auto output = runKernel(kernel_, inputs_, dims_, run_);
  if (!output) return output.error().message;
  ReferenceResult expected = reference(inputs_.op, inputs_.tensors, DataKind::Any);
  for (size_t i = 0; i < output->size(); ++i) {
    Want wanted = want(i);
    if (wanted == Want::Right) continue;
    std::string wrong = wrongClass(wanted, (*output)[i], clean_[i], expected.value[i]);
    if (!wrong.empty()) return fmt::format("element {} {}", i, wrong);
    expected.value[i] = (*output)[i];
  }
  Comparison found = compare(expected, *output);
  if (found.worst <= 1) return "";
  auto at = static_cast<size_t>(found.worstAt);
  return fmt::format("element {} is {}, {} +- {} is right", at, shortest((*output)[at]), shortest(expected.value[at]),
                     shortest(expected.limit[at]));
}

Want softmaxWant(std::span<const float> line, int64_t visible, int64_t j) {
  if (j >= visible) return Want::Zero;
  auto seen = line.first(static_cast<size_t>(visible));
  bool poisoned = std::any_of(seen.begin(), seen.end(), [](float x) { return std::isnan(x) || x == kInf; });
  bool nothing = std::all_of(seen.begin(), seen.end(), [](float x) { return x == -kInf; });
  if (poisoned || nothing) return Want::Nan;
  return line[static_cast<size_t>(j)] == -kInf ? Want::Zero : Want::Right;
}

int64_t visibleOf(Causal causal, int64_t row, int64_t rows, int64_t columns) {
  if (causal == Causal::No) return columns;
  return std::clamp<int64_t>(causal == Causal::TopLeft ? row + 1 : row + 1 + columns - rows, 0, columns);
}

}  // namespace quern
