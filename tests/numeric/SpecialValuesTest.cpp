// tests/numeric/SpecialValuesTest.cpp — a table of special values through every elementwise function: NaN, Inf, zeros of
// both signs, denormals, the ends of the range, in the first, a middle and the last lane, on every level. Rows: SpecialRowsTest.
#include "tests/numeric/SpecialValues.h"

#include <iostream>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 11;

/// nan, inf, -inf; 0 of either sign, +0, -0; ~ is the reference's value within its limit (no difference at all where an
/// operator rounds once).
Want wantOf(const std::string& word) {
  static const std::map<std::string, Want> words = {{"nan", Want::Nan}, {"inf", Want::Infinity}, {"-inf", Want::MinusInfinity},
                                                    {"0", Want::Zero},  {"+0", Want::PlusZero},  {"-0", Want::MinusZero},
                                                    {"~", Want::Right}};
  INFO(word);
  REQUIRE(words.count(word) == 1);
  return words.at(word);
}

std::vector<std::string> wordsOf(const std::string& line, size_t count) {
  std::vector<std::string> words;
  for (const std::string& word : split(line, ' '))
    if (!word.empty()) words.push_back(word);
  INFO(line);
  REQUIRE(words.size() == count);
  return words;
}

struct OneArgument {
  float x;
  const char* want;  ///< a word for each function
};
const std::vector<std::string> kFunctions = {"exp", "log", "tanh", "erf",  "sigmoid",  "rsqrt",     "sqrt",
                                             "abs", "neg", "relu", "silu", "gelu_erf", "gelu_tanh", "gelu_sigmoid"};
const OneArgument kOneArgument[] = {
    // x                  exp   log   tanh  erf   sigm  rsqrt sqrt  abs   neg   relu  silu  gelu: erf, tanh, sigmoid
    {kNan, " nan   nan   nan   nan   nan   nan   nan   nan   nan   nan   nan   nan   nan   nan "},
    {kInf, " inf   inf   ~     ~     ~     +0    inf   inf   -inf  inf   inf   inf   inf   inf "},
    {-kInf, " +0    nan   ~     ~     0     nan   nan   inf   inf   0     nan   nan   nan   nan "},
    {0.0f, " ~     -inf  +0    +0    ~     inf   +0    +0    -0    0     +0    +0    +0    +0  "},
    {-0.0f, " ~     -inf  -0    -0    ~     -inf  -0    +0    +0    0     -0    -0    -0    -0  "},
    {kTiny, " ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},
    {-kTiny, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
    {kLargestDenormal, " ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},
    {-kLargestDenormal, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
    {kSmallestNormal, " ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},
    {-kSmallestNormal, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
    {kLargest, " inf   ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},
    {-kLargest, " 0     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
    {1.0f, " ~     0     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},
    {-1.0f, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
    {88.0f, " ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},
    {88.722839f, " ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},  // e^x is the last below Inf
    {88.73f, " inf   ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},
    {89.0f, " inf   ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},
    {90.0f, " inf   ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},
    {-87.0f, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
    {-87.3365f, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},  // e^x is about to be denormal
    {-88.0f, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
    {-90.0f, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
    {-100.0f, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
    {-103.9f, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},  // the smallest denormal
    {-104.0f, " ~     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
    {1e4f, " inf   ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~     ~   "},
    {-1e4f, " 0     nan   ~     ~     ~     nan   nan   ~     ~     0     ~     ~     ~     ~   "},
};

struct TwoArguments {
  float a, b;
  const char* want;
};
const std::vector<std::string> kOperators = {"add", "sub", "mul", "div", "max", "min"};
const TwoArguments kTwoArguments[] = {
    // a, b                        add   sub   mul   div   max   min
    {kNan, 1, " nan   nan   nan   nan   nan   nan "},
    {1, kNan, " nan   nan   nan   nan   nan   nan "},
    {kNan, kNan, " nan   nan   nan   nan   nan   nan "},
    {kNan, kInf, " nan   nan   nan   nan   nan   nan "},
    {-kInf, kNan, " nan   nan   nan   nan   nan   nan "},
    {0, kNan, " nan   nan   nan   nan   nan   nan "},
    {kInf, kInf, " inf   nan   inf   nan   inf   inf "},
    {kInf, -kInf, " nan   inf   -inf  nan   inf   -inf"},
    {-kInf, kInf, " nan   -inf  -inf  nan   inf   -inf"},
    {-kInf, -kInf, " -inf  nan   inf   nan   -inf  -inf"},
    {kInf, 1, " inf   inf   inf   inf   inf   ~   "},
    {-1, kInf, " inf   -inf  -inf  -0    inf   ~   "},
    {kInf, 0, " inf   inf   nan   inf   inf   +0  "},
    {-0.0f, kInf, " inf   -inf  nan   -0    inf   -0  "},
    {0, -kInf, " -inf  inf   nan   -0    +0    -inf"},
    {0, 0, " +0    +0    +0    nan   +0    +0  "},
    {0, -0.0f, " +0    +0    -0    nan   0     0   "},
    {-0.0f, 0, " +0    -0    -0    nan   0     0   "},
    {-0.0f, -0.0f, " -0    +0    +0    nan   -0    -0  "},
    {1, 0, " ~     ~     +0    inf   ~     +0  "},
    {1, -0.0f, " ~     ~     -0    -inf  ~     -0  "},
    {-1, 0, " ~     ~     -0    -inf  +0    ~   "},
    {1, 1, " ~     +0    ~     ~     ~     ~   "},
    {-1, 1, " +0    ~     ~     ~     ~     ~   "},
    {kLargest, kLargest, " inf   +0    inf   ~     ~     ~   "},
    {-kLargest, kLargest, " +0    -inf  -inf  ~     ~     ~   "},
    {kLargest, kTiny, " ~     ~     ~     inf   ~     ~   "},
    {kTiny, kLargest, " ~     ~     ~     +0    ~     ~   "},
    {kTiny, -kTiny, " +0    ~     -0    ~     ~     ~   "},
    {kTiny, 2, " ~     ~     ~     +0    ~     ~   "},  // half of the smallest rounds to even
    {-kTiny, 0.5f, " ~     ~     -0    ~     ~     ~   "},
    {kLargestDenormal, kTiny, " ~     ~     +0    ~     ~     ~   "},
    {kSmallestNormal, kTiny, " ~     ~     +0    ~     ~     ~   "},
    {kSmallestNormal, 2, " ~     ~     ~     ~     ~     ~   "},
    {-kSmallestNormal, 3, " ~     ~     ~     ~     ~     ~   "},
    {1e4f, kSmallestNormal, " ~     ~     ~     inf   ~     ~   "},
    {88.5f, -104, " ~     ~     ~     ~     ~     ~   "},
    {1e4f, -1e4f, " +0    ~     ~     ~     ~     ~   "},
};

const std::vector<std::string> kWhole = {"floor", "ceil", "round", "trunc", "sign", "sin", "cos"};
const OneArgument kWholeTable[] = {
    // x, floor, ceil, round, trunc, sign, sin, cos
    {kNan, "nan nan nan nan nan nan nan"},
    {kInf, "inf inf inf inf ~ nan nan"},
    {-kInf, "-inf -inf -inf -inf ~ nan nan"},
    {0.0f, "+0 +0 +0 +0 0 +0 ~"},
    {-0.0f, "-0 -0 -0 -0 0 -0 ~"},
    {kTiny, "+0 ~ +0 +0 ~ ~ ~"},
    {-kTiny, "~ -0 -0 -0 ~ ~ ~"},
    {kSmallestNormal, "+0 ~ +0 +0 ~ ~ ~"},
    {-kLargestDenormal, "~ -0 -0 -0 ~ ~ ~"},
    {kLargest, "~ ~ ~ ~ ~ ~ ~"},
    {-kLargest, "~ ~ ~ ~ ~ ~ ~"},
    {0.49999997f, "+0 ~ +0 +0 ~ ~ ~"},
    {0.5f, "+0 ~ +0 +0 ~ ~ ~"},
    {-0.5f, "~ -0 -0 -0 ~ ~ ~"},
    {1.5f, "~ ~ ~ ~ ~ ~ ~"},
    {-2.5f, "~ ~ ~ ~ ~ ~ ~"},
    {0.99999994f, "+0 ~ ~ +0 ~ ~ ~"},
    {-0.99999994f, "~ -0 ~ -0 ~ ~ ~"},
    {1.0f, "~ ~ ~ ~ ~ ~ ~"},
    {-1.0f, "~ ~ ~ ~ ~ ~ ~"},
    {4194303.5f, "~ ~ ~ ~ ~ ~ ~"},
    {-8388607.5f, "~ ~ ~ ~ ~ ~ ~"},
    {8388609.0f, "~ ~ ~ ~ ~ ~ ~"},
    {3.1415927f, "~ ~ ~ ~ ~ ~ ~"},
    {16367173.0f * 0x1p72f, "~ ~ ~ ~ ~ ~ ~"},  // the float next to a multiple of pi / 2
};

const std::vector<std::string> kCompared = {"pow", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal"};
const TwoArguments kComparedTable[] = {
    // a, b, what C99 says of pow, == != < <= > >=
    {kNan, 0, "~ +0 ~ +0 +0 +0 +0"},      {1, kNan, "~ +0 ~ +0 +0 +0 +0"},      {kNan, 1, "nan +0 ~ +0 +0 +0 +0"},
    {2, kNan, "nan +0 ~ +0 +0 +0 +0"},    {kNan, kNan, "nan +0 ~ +0 +0 +0 +0"}, {kInf, 0, "~ +0 ~ +0 +0 ~ ~"},
    {kInf, -1, "+0 +0 ~ +0 +0 ~ ~"},      {kInf, kInf, "inf ~ +0 +0 ~ +0 ~"},   {-kInf, 3, "-inf +0 ~ ~ ~ +0 +0"},
    {-kInf, 2, "inf +0 ~ ~ ~ +0 +0"},     {-kInf, 0.5f, "inf +0 ~ ~ ~ +0 +0"},  {-kInf, -3, "-0 +0 ~ ~ ~ +0 +0"},
    {-kInf, -2, "+0 +0 ~ ~ ~ +0 +0"},     {-kInf, -0.5f, "+0 +0 ~ ~ ~ +0 +0"},  {0, -1, "inf +0 ~ +0 +0 ~ ~"},
    {-0.0f, -1, "-inf +0 ~ +0 +0 ~ ~"},   {-0.0f, -2, "inf +0 ~ +0 +0 ~ ~"},    {-0.0f, -0.5f, "inf +0 ~ +0 +0 ~ ~"},
    {-0.0f, 3, "-0 +0 ~ ~ ~ +0 +0"},      {-0.0f, 2, "+0 +0 ~ ~ ~ +0 +0"},      {-0.0f, 0, "~ ~ +0 +0 ~ +0 ~"},
    {0, kInf, "+0 +0 ~ ~ ~ +0 +0"},       {0, -kInf, "inf +0 ~ +0 +0 ~ ~"},     {-1, kInf, "~ +0 ~ ~ ~ +0 +0"},
    {-1, -kInf, "~ +0 ~ +0 +0 ~ ~"},      {-1, 16777215, "~ +0 ~ ~ ~ +0 +0"},   {-1, 16777216, "~ +0 ~ ~ ~ +0 +0"},
    {-1, 8388608.5f, "~ +0 ~ ~ ~ +0 +0"}, {0.5f, kInf, "+0 +0 ~ ~ ~ +0 +0"},    {0.5f, -kInf, "inf +0 ~ +0 +0 ~ ~"},
    {-2, kInf, "inf +0 ~ ~ ~ +0 +0"},     {-2, -kInf, "+0 +0 ~ +0 +0 ~ ~"},     {-2, 3, "~ +0 ~ ~ ~ +0 +0"},
    {-2, 0.5f, "nan +0 ~ ~ ~ +0 +0"},     {-kTiny, 0.5f, "nan +0 ~ ~ ~ +0 +0"}, {-kLargest, 1.5f, "nan +0 ~ ~ ~ +0 +0"},
    {2, 128, "inf +0 ~ ~ ~ +0 +0"},       {-2, 129, "-inf +0 ~ ~ ~ +0 +0"},     {2, -149, "~ +0 ~ +0 +0 ~ ~"},
    {2, -151, "+0 +0 ~ +0 +0 ~ ~"},       {-2, -151, "-0 +0 ~ +0 +0 ~ ~"},      {kTiny, -1, "inf +0 ~ +0 +0 ~ ~"},
    {kLargest, 1, "~ +0 ~ +0 +0 ~ ~"},    {1, kLargest, "~ +0 ~ ~ ~ +0 +0"},    {7, 0, "~ +0 ~ +0 +0 ~ ~"},
    {kTiny, -kTiny, "~ +0 ~ +0 +0 ~ ~"},  {3, 3, "~ ~ +0 +0 ~ +0 ~"},
};

struct ThreeArguments {
  float a, b, c;
  const char* want;
};
const std::vector<std::string> kChosen = {"where(a, b, c)", "clamp(a, b, c)"};
const ThreeArguments kChosenTable[] = {
    {0, kNan, 2, "~ nan"},      {-0.0f, kInf, 2, "~ ~"},       {1, 2, kNan, "~ nan"},  {kTiny, 2, -kInf, "~ -inf"},
    {kNan, 3, kInf, "~ nan"},   {kInf, -0.0f, kNan, "-0 nan"}, {kNan, 0, 1, "+0 nan"}, {0, 1, kNan, "nan nan"},
    {0, -kInf, kInf, "inf +0"}, {0.5f, 2, 1, "~ ~"},           {-kInf, -2, 2, "~ ~"},  {kInf, -2, 2, "~ ~"},
    {kInf, -2, kInf, "~ inf"},  {-3, -0.0f, 6, "-0 -0"},
};

/// Puts `values` (one for each operand) at one place of arrays of one length; what is beside them may not change.
void checkPlaced(SpecialKernel& kernel, const std::vector<float>& values, int64_t place, Want want) {
  auto at = static_cast<size_t>(place);
  auto plant = [&](const SpecialKernel& k) {
    for (size_t i = 0; i < values.size(); ++i) k.input(i)[at] = values[i];
  };
  std::string wrong = kernel.wrongWith(plant, [&](size_t i) { return i == at ? want : Want::Clean; });
  INFO("at " << place << " of " << kernel.clean().size() << ": " << wrong);
  CHECK(wrong.empty());
}

/// One column of a table: a function, and what each row of values gives.
struct Column {
  std::string op;
  std::vector<std::pair<std::vector<float>, std::string>> cells;
};

std::vector<float> valuesOf(const OneArgument& row) { return {row.x}; }
std::vector<float> valuesOf(const TwoArguments& row) { return {row.a, row.b}; }
std::vector<float> valuesOf(const ThreeArguments& row) { return {row.a, row.b, row.c}; }

/// A table's columns: `before` and `after` each name make the op's text.
template <class Row, size_t N>
void addColumns(std::vector<Column>& columns, const std::vector<std::string>& names, const Row (&table)[N], const char* before,
                const char* after) {
  size_t first = columns.size();
  for (const std::string& name : names) columns.push_back({before + name + after, {}});
  for (const Row& row : table) {
    std::vector<std::string> words = wordsOf(row.want, names.size());
    for (size_t f = 0; f < words.size(); ++f) columns[first + f].cells.push_back({valuesOf(row), words[f]});
  }
}

std::vector<Column> columnsOfTables() {
  std::vector<Column> columns;
  addColumns(columns, kFunctions, kOneArgument, "map expr=", "(x) x=*");
  addColumns(columns, kWhole, kWholeTable, "map expr=", "(x) x=*");
  addColumns(columns, kOperators, kTwoArguments, "", " a=* b=*");
  addColumns(columns, kCompared, kComparedTable, "", " a=* b=*");
  addColumns(columns, kChosen, kChosenTable, "map expr=\"", "\" a=* b=* c=*");
  return columns;
}

}  // namespace

TEST_CASE("special values through every elementwise function, in every lane") {
  std::vector<Column> columns = columnsOfTables();
  int64_t cells = 0, runs = 0;
  for (const Column& column : columns) cells += static_cast<int64_t>(column.cells.size());
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const Column& column : columns) {
      OpDesc desc = op(column.op);
      KernelSet kernel = kernelOf(library, desc);
      for (int64_t length : kLengths) {
        SpecialKernel placed(kernel, desc, {{"d0", length}}, kSeed, length % 2);
        for (const auto& [values, word] : column.cells)
          for (int64_t place : placesIn(length)) {
            INFO(column.op << " of " << shortest(values[0]) << (values.size() > 1 ? ", " + shortest(values[1]) : "") << " on "
                           << level.level << ", wanted: " << word);
            checkPlaced(placed, values, place, wantOf(word));
            ++runs;
          }
      }
    }
  }
  std::cout << cells << " cells of functions in " << runs << " runs, seed " << kSeed << "\n";
  REQUIRE(cells >= 300);
  CHECK(runs >= 10 * cells);
}

TEST_CASE("a special value that is lost, or leaks into another lane, is noticed") {
  KernelLibrary library(hostTarget(), {});
  OpDesc all = op("softmax x=*");
  SpecialKernel lost(kernelOf(library, op("abs x=*")), op("abs x=*"), {{"d0", 17}}, kSeed);
  auto plant = [](const SpecialKernel& k) { k.input(0)[3] = -0.0f; };
  CHECK(lost.wrongWith(plant, [](size_t i) { return i == 3 ? Want::PlusZero : Want::Clean; }).empty());
  CHECK_FALSE(lost.wrongWith(plant, [](size_t i) { return i == 3 ? Want::MinusZero : Want::Clean; }).empty());
  SpecialKernel leaks(kernelOf(library, all), all, {{"d0", 17}}, kSeed);
  auto poison = [](const SpecialKernel& k) { k.input(0)[3] = kNan; };
  CHECK_FALSE(leaks.wrongWith(poison, [](size_t i) { return i == 3 ? Want::Nan : Want::Clean; }).empty());
}
