// tests/numeric/SpecialRowsTest.cpp — special values in one line of softmax, reductions and norms: what that line becomes,
// and that the lines beside it keep their bits. Along rows and down columns, masked or not, on every level.
#include "tests/numeric/SpecialValues.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <set>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 12;
constexpr int64_t kRows = 5;

/// What is put into a line, at each of its places in turn where `onePlace` says so.
struct Plant {
  std::string name;
  bool onePlace;
  std::function<float(int64_t j, int64_t place, float plain)> put;
  bool largest = false;  ///< the largest float: its square, and the sum of two, overflow
};

std::vector<Plant> plants() {
  std::vector<Plant> all;
  for (float value :
       {kNan, kInf, -kInf, -0.0f, kTiny, -kLargestDenormal, 88.0f, 88.7f, 89.0f, 90.0f, -104.0f, 1e4f, -1e4f, 1e18f, kLargest, -kLargest})
    all.push_back({"one " + shortest(value), true, [value](int64_t j, int64_t place, float plain) { return j == place ? value : plain; },
                   std::fabs(value) == kLargest});
  for (float value : {kNan, kInf, -kInf, 0.0f, -0.0f, kTiny, 0.1f, 88.5f, 1e4f, -1e4f, 1e17f, -kLargest})
    all.push_back({"all " + shortest(value), false, [value](int64_t, int64_t, float) { return value; }, std::fabs(value) == kLargest});
  all.push_back({"all but one -inf", true, [](int64_t j, int64_t place, float plain) { return j == place ? plain : -kInf; }});
  all.push_back({"both infinities", false, [](int64_t j, int64_t, float plain) { return j % 2 == 0 ? kInf : j == 1 ? -kInf : plain; }});
  all.push_back({"88 to 90", false, [](int64_t j, int64_t, float) { return 88 + 0.25f * static_cast<float>(j % 9); }});
  all.push_back({"+-1e4", false, [](int64_t j, int64_t, float) { return j % 2 == 0 ? 1e4f : -1e4f; }});
  return all;
}

/// Lines of a matrix of two dimensions: its rows, or its columns.
struct Lines {
  bool columns;
  int64_t count, length;
  size_t at(int64_t line, int64_t j) const { return static_cast<size_t>(columns ? j * count + line : line * length + j); }
  std::pair<int64_t, int64_t> lineAndPlace(size_t i) const {
    auto flat = static_cast<int64_t>(i);
    return columns ? std::pair{flat % count, flat / count} : std::pair{flat / length, flat % length};
  }
  DimValues dims() const { return {{"d0", columns ? length : count}, {"d1", columns ? count : length}}; }
};

/// What element j of a line must be, given the line.
using LineRule = std::function<Want(std::span<const float> line, int64_t row, int64_t j)>;

/// Everything that is run of one kernel at one length; cells are named so that each is counted once.
class LineCheck {
public:
  LineCheck(const KernelSet& kernel, const OpDesc& desc, Lines lines, bool reduces, const DimValues& dims)
      : kernel_(kernel, desc, dims, kSeed, lines.length % 2), op_(text(desc)), lines_(lines), reduces_(reduces) {}

  void run(const Plant& plant, int64_t line, const LineRule& rule, std::set<std::string>& cells, int64_t& runs) {
    for (int64_t place : plant.onePlace ? placesIn(lines_.length) : std::vector<int64_t>{0}) {
      std::vector<float> values(static_cast<size_t>(lines_.length));
      auto put = [&](const SpecialKernel& k) {
        for (int64_t j = 0; j < lines_.length; ++j) {
          float& x = k.input(0)[lines_.at(line, j)];
          values[static_cast<size_t>(j)] = x = plant.put(j, place, x);
        }
      };
      std::string wrong = kernel_.wrongWith(put, [&](size_t i) {
        auto [own, j] = reduces_ ? std::pair{static_cast<int64_t>(i), int64_t{0}} : lines_.lineAndPlace(i);
        return own == line ? rule(values, line, j) : Want::Clean;
      });
      INFO(op_ << ", " << plant.name << " at " << place << " of " << lines_.length << " in line " << line << ": " << wrong);
      CHECK(wrong.empty());
      ++runs;
    }
    cells.insert(op_ + ", " + plant.name);
  }

private:
  SpecialKernel kernel_;
  std::string op_;
  Lines lines_;
  bool reduces_;
};

bool anyOf(std::span<const float> line, bool (*test)(float)) { return std::any_of(line.begin(), line.end(), test); }
bool isNan(float x) { return std::isnan(x); }
bool isFinite(float x) { return std::isfinite(x); }
bool isInfinite(float x) { return std::isinf(x); }
bool isMinusZero(float x) { return x == 0 && std::signbit(x); }

Want reduceWant(ReduceFn fn, std::span<const float> line) {
  if (anyOf(line, isNan)) return Want::Nan;
  bool plus = std::find(line.begin(), line.end(), kInf) != line.end(), minus = std::find(line.begin(), line.end(), -kInf) != line.end();
  bool allMinusZero = std::all_of(line.begin(), line.end(), isMinusZero);
  switch (fn) {
    case ReduceFn::Max: return plus ? Want::Infinity : allMinusZero ? Want::MinusZero : Want::Right;
    case ReduceFn::Min: return minus ? Want::MinusInfinity : allMinusZero ? Want::MinusZero : Want::Right;
    default: return plus && minus ? Want::Nan : plus ? Want::Infinity : minus ? Want::MinusInfinity : Want::Right;
  }
}

Want layerNormWant(std::span<const float> line) { return std::all_of(line.begin(), line.end(), isFinite) ? Want::Right : Want::Nan; }

/// x times 1/Inf where an Inf is among the line: zero, and NaN where the Inf itself stands.
Want rmsNormWant(std::span<const float> line, int64_t j) {
  if (anyOf(line, isNan)) return Want::Nan;
  if (!anyOf(line, isInfinite)) return Want::Right;
  return std::isinf(line[static_cast<size_t>(j)]) ? Want::Nan : Want::Zero;
}

void report(const char* what, const std::set<std::string>& cells, int64_t runs, size_t least) {
  std::cout << cells.size() << " cells of " << what << " in " << runs << " runs, seed " << kSeed << "\n";
  CHECK(cells.size() >= least);
}

}  // namespace

TEST_CASE("special values in one line of a softmax") {
  std::set<std::string> cells;
  int64_t runs = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const char* form : {"softmax x=*x*", "softmax x=*x* scale=0.3", "softmax x=*x* scale=4", "softmax x=*x* causal=1",
                             "softmax x=*x* causal=topleft", "softmax x=*x* axis=0"}) {
      OpDesc desc = op(form);
      const auto& softmax = std::get<SoftmaxOp>(desc);
      KernelSet kernel = kernelOf(library, desc);
      INFO("on " << level.level);
      for (int64_t length : kLengths) {
        Lines lines{softmax.axisIndex() == 0, kRows, length};
        LineCheck check(kernel, desc, lines, false, lines.dims());
        LineRule rule = [&](std::span<const float> line, int64_t row, int64_t j) {
          return softmaxWant(line, visibleOf(softmax.causal, row, kRows, length), j);
        };
        for (const Plant& plant : plants())
          for (int64_t line : {int64_t{0}, int64_t{2}, kRows - 1}) check.run(plant, line, rule, cells, runs);
      }
    }
  }
  report("softmax", cells, runs, 180);
}

TEST_CASE("rows of a softmax that nothing is seen of are zeros, of a NaN too") {
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    OpDesc desc = op("softmax x=*x*x* causal=1");
    KernelSet kernel = kernelOf(library, desc);
    for (int64_t columns : kLengths) {
      int64_t rows = columns + 3;
      SpecialKernel masked(kernel, desc, {{"d0", 2}, {"d1", rows}, {"d2", columns}}, kSeed);
      auto plant = [&](const SpecialKernel& k) { std::fill_n(k.input(0), 3 * columns, kNan); };
      std::string wrong = masked.wrongWith(plant, [&](size_t i) {
        auto flat = static_cast<int64_t>(i);
        return flat / columns % rows < 3 || flat % columns >= visibleOf(Causal::LastRowSeesAll, flat / columns % rows, rows, columns)
                   ? Want::PlusZero
                   : Want::Clean;
      });
      INFO(level.level << ", " << rows << " x " << columns << ": " << wrong);
      CHECK(wrong.empty());
    }
  }
}

TEST_CASE("special values in one line of a reduction") {
  std::set<std::string> cells;
  int64_t runs = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const char* fn : {"sum", "mean", "max", "min"})
      for (int axis : {0, 1}) {
        OpDesc desc = op(fmt::format("reduce x=*x* axis={} f={}", axis, fn));
        const auto& reduce = std::get<ReduceOp>(desc);
        KernelSet kernel = kernelOf(library, desc);
        INFO("on " << level.level);
        for (int64_t length : kLengths) {
          Lines lines{axis == 0, kRows, length};
          LineCheck check(kernel, desc, lines, true, lines.dims());
          LineRule rule = [&](std::span<const float> line, int64_t, int64_t) { return reduceWant(reduce.fn, line); };
          for (const Plant& plant : plants()) {
            // A mean whose sum overflows where the exact one does not: no limit speaks of it.
            if (reduce.fn == ReduceFn::Mean && plant.largest && !plant.onePlace) continue;
            for (int64_t line : {int64_t{0}, int64_t{2}, kRows - 1}) check.run(plant, line, rule, cells, runs);
          }
        }
      }
  }
  report("reductions", cells, runs, 240);
}

TEST_CASE("a sum of nothing is zero, a mean of nothing NaN, the largest of nothing is refused") {
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (int axis : {0, 1})
      for (auto [fn, want] : {std::pair{"sum", Want::Zero}, {"mean", Want::Nan}}) {
        OpDesc desc = op(fmt::format("reduce x=*x* axis={} f={}", axis, fn));
        SpecialKernel none(kernelOf(library, desc), desc, {{"d0", axis == 0 ? 0 : 17}, {"d1", axis == 0 ? 17 : 0}}, kSeed);
        std::string wrong = none.wrongWith([](const SpecialKernel&) {}, [want = want](size_t) { return want; });
        INFO(text(desc) << " on " << level.level << ": " << wrong);
        CHECK(none.clean().size() == 17);
        CHECK(wrong.empty());
      }
  }
  CHECK_FALSE(parseOp("reduce x=17x0 axis=1 f=max"));
  CHECK_FALSE(parseOp("reduce x=0x17 axis=0 f=min"));
}

TEST_CASE("special values in one row, in the gain and in the bias of a norm") {
  std::set<std::string> cells;
  int64_t runs = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const char* name : {"layernorm", "rmsnorm"})
      for (int64_t width : kLengths) {
        OpDesc desc = op(fmt::format("{} x=*x{}", name, width));
        bool centred = std::holds_alternative<LayerNormOp>(desc);
        KernelSet kernel = kernelOf(library, desc);
        INFO("on " << level.level);
        LineCheck check(kernel, desc, {false, kRows, width}, false, {{"d0", kRows}});
        for (const Plant& plant : plants()) {
          if (plant.largest) continue;  // below
          LineRule rule = [&](std::span<const float> line, int64_t, int64_t j) {
            return centred ? layerNormWant(line) : rmsNormWant(line, j);
          };
          for (int64_t line : {int64_t{0}, int64_t{2}, kRows - 1}) check.run(plant, line, rule, cells, runs);
        }
        SpecialKernel weights(kernel, desc, {{"d0", kRows}}, kSeed);
        for (size_t operand = 1; operand < inputsOf(desc).size(); ++operand)
          for (float value : {kNan, kInf, -kInf, -0.0f, kTiny, 1e4f})
            for (int64_t place : placesIn(width)) {
              std::string wrong = weights.wrongWith(
                  [&](const SpecialKernel& k) { k.input(operand)[place] = value; },
                  [&](size_t i) {
                    return static_cast<int64_t>(i) % width != place ? Want::Clean : std::isnan(value) ? Want::Nan : Want::Right;
                  });
              INFO(text(desc) << ", " << value << " at " << place << " of operand " << operand << ": " << wrong);
              CHECK(wrong.empty());
              ++runs;
            }
      }
  }
  report("norms", cells, runs, 300);
}

TEST_CASE("squares that overflow stay in their row") {
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const char* form : {"layernorm x=*x65", "rmsnorm x=*x65"}) {
      OpDesc desc = op(form);
      SpecialKernel huge(kernelOf(library, desc), desc, {{"d0", kRows}}, kSeed);
      CheckInputs inputs = makeInputs(fixed(desc, {{"d0", kRows}}), InputData::ZeroMean, kSeed);
      inputs.arrays[0].f32()[2 * 65 + 40] = kLargest;
      auto output = runKernel(kernelOf(library, desc), inputs, {{"d0", kRows}}, {});
      REQUIRE(output);
      std::vector<float> expected = huge.clean();
      std::copy_n(output->begin() + 2 * 65, 65, expected.begin() + 2 * 65);
      CHECK(differing(expected, *output).empty());
    }
  }
}
