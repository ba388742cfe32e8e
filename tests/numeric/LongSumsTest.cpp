// tests/numeric/LongSumsTest.cpp — sums along a row or down a column keep one bound at any length, whatever lies in them, and results that
// fit come out of numbers whose sums, squares or products do not.
#include "tests/numeric/KernelRuns.h"

#include <cmath>
#include <iostream>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 77;

struct Case {
  const char* op;
  DimValues dims;
};

void checkAll(const std::vector<Case>& cases, std::initializer_list<InputData> kinds, double most) {
  double worst = 0;
  int64_t runs = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const Case& one : cases) {
      KernelSet kernel = kernelOf(library, op(one.op));
      for (InputData data : kinds) {
        auto run = runOnce(kernel, op(one.op), one.dims, {data, kSeed, Flush::End});
        REQUIRE(run);
        CheckReport report = judge(fixed(op(one.op), one.dims), *run, data);
        INFO(level.level << ": " << report.failure);
        CHECK(report.worst <= most);
        worst = std::max(worst, report.worst);
        ++runs;
      }
    }
  }
  std::cout << runs << " runs, worst error over limit " << worst << ", seed " << kSeed << "\n";
}

/// One row of `x` through an op of `*` columns, or of a width that is compiled in.
std::vector<float> rowThrough(KernelLibrary& library, const std::string& text, std::vector<float> row, int64_t rows = 1) {
  OpDesc desc = op(text);
  DimValues all = {{"d0", rows}, {"d1", static_cast<int64_t>(row.size())}}, dims = openDims(desc, all);
  CheckInputs inputs = makeInputs(fixed(desc, dims), InputData::ZeroMean, kSeed);
  for (size_t i = 1; i < inputs.arrays.size(); ++i) std::fill_n(inputs.arrays[i].f32(), row.size(), i == 1 ? 1.0f : 0.0f);  // gain, bias
  for (int64_t r = 0; r < rows; ++r) std::copy(row.begin(), row.end(), inputs.arrays[0].f32() + r * static_cast<int64_t>(row.size()));
  auto out = runKernel(kernelOf(library, desc), inputs, dims, {});
  REQUIRE(out);
  return *out;
}

std::vector<float> repeated(std::vector<float> unit, size_t count) {
  std::vector<float> row;
  for (size_t i = 0; i < count; ++i) row.push_back(unit[i % unit.size()]);
  return row;
}

}  // namespace

TEST_CASE("sums of any length keep one bound") {
  std::vector<Case> cases;
  for (int64_t n : {100, 1023, 1024, 1025, 2048, 30000, 1000003}) {
    cases.push_back({"reduce x=*x* axis=1 f=sum", {{"d0", 1}, {"d1", n}}});
    cases.push_back({"reduce x=*x* axis=1 f=mean", {{"d0", 5}, {"d1", n / 5}}});
    cases.push_back({"reduce x=*x* axis=0 f=sum", {{"d0", n / 3}, {"d1", 3}}});
    cases.push_back({"reduce x=*x*x* axis=1 f=mean", {{"d0", 2}, {"d1", n / 20}, {"d2", 9}}});
  }
  checkAll(cases, {InputData::Same, InputData::Offset, InputData::Unit, InputData::ZeroMean}, 1);
}

TEST_CASE("norms and softmax of any length keep one bound") {
  checkAll({{"layernorm x=*x30001", {{"d0", 2}}},
            {"rmsnorm x=*x30001", {{"d0", 2}}},
            {"rmsnorm x=*x1025", {{"d0", 3}}},
            {"layernorm x=*x2048 residual=1", {{"d0", 3}}},
            {"softmax x=*x*", {{"d0", 2}, {"d1", 60000}}},
            {"softmax x=*x*", {{"d0", 1}, {"d1", 1000003}}},
            {"softmax x=*x* axis=0", {{"d0", 30000}, {"d1", 3}}}},
           {InputData::Same, InputData::Offset, InputData::Unit, InputData::ZeroMean}, 1);
}

TEST_CASE("numbers of extreme size") {
  checkAll({{"reduce x=*x* axis=1 f=sum", {{"d0", 9}, {"d1", 64}}},
            {"reduce x=*x* axis=1 f=mean", {{"d0", 9}, {"d1", 40}}},
            {"reduce x=9x64 axis=1 f=sum", {}},
            {"reduce x=*x* axis=1 f=mean", {{"d0", 3}, {"d1", 5000}}},
            {"reduce x=*x* axis=0 f=sum", {{"d0", 64}, {"d1", 37}}},
            {"reduce x=*x* axis=0 f=mean", {{"d0", 1000}, {"d1", 37}}},
            {"layernorm x=*x70", {{"d0", 7}}},
            {"layernorm x=*x768", {{"d0", 7}}},
            {"layernorm x=*x768 eps=0", {{"d0", 7}}},
            {"layernorm x=*x3000 eps=0", {{"d0", 2}}},
            {"rmsnorm x=*x70", {{"d0", 7}}},
            {"rmsnorm x=*x70 eps=0", {{"d0", 7}}},
            {"rmsnorm x=*x3000 eps=1e-38", {{"d0", 7}}},
            {"softmax x=*x*", {{"d0", 7}, {"d1", 70}}},
            {"softmax x=*x* scale=1e-38", {{"d0", 7}, {"d1", 70}}},
            {"softmax x=7x70 scale=0.3", {}},
            {"softmax x=*x*", {{"d0", 1}, {"d1", 70000}}},
            {"softmax x=*x* axis=0", {{"d0", 70}, {"d1", 7}}}},
           {InputData::Huge, InputData::Tiny}, 1);
}

TEST_CASE("rows whose squares or sums do not fit") {
  constexpr float kMost = std::numeric_limits<float>::max();
  for (const Target& level : runnableLevels()) {
    INFO(level.level);
    KernelLibrary library(level, {});
    for (int64_t n : {4, 100, 2500})
      for (float size : {1e10f, 1e18f, 1e19f, 1e20f, 1e30f, 3e38f, kMost, 1e-20f, 1e-30f, 1e-40f}) {
        INFO(n << " times +-" << size);
        std::vector<float> row = repeated({size, -size}, static_cast<size_t>(n));
        std::string width = std::to_string(n), eps = size < 1 ? " eps=0" : "";
        for (float x : rowThrough(library, "layernorm x=*x" + width + eps, row)) CHECK(std::fabs(std::fabs(x) - 1) < 1e-5f);
        for (float x : rowThrough(library, "rmsnorm x=*x" + width + eps, row)) CHECK(std::fabs(std::fabs(x) - 1) < 1e-5f);
        for (const char* form : {"reduce x=*x* axis=1 f=sum", "reduce x=*x* axis=1 f=mean"})
          for (float x : rowThrough(library, form, row, 9)) CHECK(x == 0);
        std::vector<float> same = repeated({size}, static_cast<size_t>(n));
        for (float x : rowThrough(library, "reduce x=*x* axis=1 f=mean", same, 9)) CHECK(std::fabs(x - size) <= 1e-6f * size);
        // Large ones that cancel leave the small one.
        row.push_back(size / 4);
        for (float x : rowThrough(library, "reduce x=*x* axis=1 f=sum", row, 9))
          CHECK(std::fabs(x - size / 4) <= 4 * kEps * static_cast<double>(n + 1) * size);
      }
  }
}

TEST_CASE("a row that is taken again scaled leaves those beside it alone") {
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    INFO(level.level);
    for (const char* form : {"reduce x=*x* axis=1 f=sum", "reduce x=*x* axis=0 f=mean", "layernorm x=*x70", "rmsnorm x=*x70"}) {
      OpDesc desc = op(form);
      bool columns = std::string(form).find("axis=0") != std::string::npos;
      DimValues dims = openDims(desc, {{"d0", columns ? 70 : 11}, {"d1", columns ? 11 : 70}});
      CheckInputs inputs = makeInputs(fixed(desc, dims), InputData::Tiny, kSeed);
      KernelSet kernel = kernelOf(library, desc);
      auto before = runKernel(kernel, inputs, dims, {});
      for (int64_t j = 0; j < 70; ++j) inputs.arrays[0].f32()[columns ? j * 11 + 4 : 4 * 70 + j] = 3e38f;
      auto after = runKernel(kernel, inputs, dims, {});
      REQUIRE(before);
      REQUIRE(after);
      size_t each = before->size() / 11;
      for (size_t i = 4 * each; i < 5 * each; ++i) (*after)[i] = (*before)[i];
      INFO(form);
      CHECK(differing(*before, *after) == "");
    }
  }
}
