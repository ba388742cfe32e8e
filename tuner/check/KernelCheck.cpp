// tuner/check/KernelCheck.cpp — see KernelCheck.h.
#include "tuner/check/KernelCheck.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"
#include "compiler/op/BlockValues.h"
#include "compiler/store/CallArguments.h"
#include "tuner/check/WeightInputs.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace quern {

static DataKind kindOf(InputData data) {
  return data == InputData::ZeroMean ? DataKind::ZeroMean : data == InputData::Integer ? DataKind::Integer : DataKind::Any;
}

/// Whether there is a whole number for each whole-number input.
static bool canBeDrawn(const OpDesc& op) {
  for (const TensorSpec& spec : inputsOf(op))
    if (spec.type == ElementType::I32 && spec.whole.least >= spec.whole.below) return false;
  return true;
}

/// 0 where there is none.
static int32_t drawnFrom(const WholeRange& range, std::mt19937_64& random) {
  auto count = static_cast<uint64_t>(std::max<int64_t>(1, range.below - range.least));
  return static_cast<int32_t>(range.least + static_cast<int64_t>(random() % count));
}

TaskRunner inPieces(const Stop& stop) {
  return [stop](int64_t count, const std::function<void(int thread, int64_t begin, int64_t end)>& task) {
    constexpr int64_t kPieces = 64;
    int64_t piece = std::max<int64_t>(1, count / kPieces);
    for (int64_t at = 0; at < count && !stop.asked(); at += piece) task(0, at, std::min(count, at + piece));
  };
}

/// Calls draw(begin, end) over [0, count) in pieces of a few milliseconds, until `stop` is asked.
template <class Draw>
static void drawInPieces(int64_t count, const Stop& stop, Draw&& draw) {
  constexpr int64_t kPiece = int64_t{1} << 20;  // a multiple of every block
  for (int64_t at = 0; at < count && !stop.asked(); at += kPiece) draw(at, std::min(count, at + kPiece));
}

CheckInputs makeInputs(const OpDesc& op, InputData data, uint64_t seed, Flush flush, int64_t offset, const Stop& stop) {
  CheckInputs inputs{op, {}, {}};
  std::mt19937_64 random(seed);
  for (const TensorSpec& spec : inputsOf(op)) {
    auto each = static_cast<size_t>(formatOf(spec.type).blockBytes == 8 ? 8 : 4);
    GuardedArray array(static_cast<size_t>(bytesOf(spec.type, spec.elements())), flush, static_cast<size_t>(offset) * each);
    drawInPieces(spec.elements(), stop, [&](int64_t begin, int64_t end) {
      if (spec.type == ElementType::I32)
        for (int64_t i = begin; i < end; ++i) array.i32()[i] = drawnFrom(spec.whole, random);
      else if (spec.type == ElementType::F32)
        for (int64_t i = begin; i < end; ++i) array.f32()[i] = drawn(data, random);
      else if (spec.type == ElementType::Q8_0 && !spec.weight)
        drawKept(end - begin, static_cast<std::byte*>(array.data()) + bytesOf(spec.type, begin), data, random);
      else drawBlocks(spec.type, end - begin, static_cast<std::byte*>(array.data()) + bytesOf(spec.type, begin), data, random);
    });
    inputs.tensors.push_back({array.data(), spec.extents()});
    inputs.arrays.push_back(std::move(array));
  }
  return inputs;
}

namespace {

/// Strides of `shape` with `extra` elements behind every innermost row.
std::vector<int64_t> paddedStrides(const std::vector<int64_t>& shape, int64_t extra) {
  std::vector<int64_t> padded = shape;
  if (!padded.empty()) padded.back() += extra;
  return denseStrides(padded);
}

int64_t rowsOf(const std::vector<int64_t>& shape) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

/// Rows of `shape` with `extra` elements between, every element a signalling NaN: one that is read, or not written where it
/// should be, or written where it should not, shows.
constexpr int32_t kUntouched = 0x7fa00001;
constexpr int16_t kUntouchedHalf = 0x7d01, kUntouchedBfloat = 0x7fa1;
constexpr auto kUntouchedByte = std::byte{0x7f};  // of a block: its scale is NaN
GuardedArray untouched(ElementType type, const std::vector<int64_t>& shape, int64_t extra, const CheckRun& run) {
  int64_t rows = rowsOf(shape), width = shape.empty() ? 1 : shape.back();
  int64_t elements = rows == 0 ? 0 : rows * (width + extra) - extra;
  bool blocks = isQuantised(type);
  int64_t bytes = bytesOf(type, elements);
  GuardedArray out(static_cast<size_t>(bytes), run.flush, static_cast<size_t>(blocks ? run.offset : bytesOf(type, run.offset)));
  if (type == ElementType::BF16) std::fill_n(static_cast<int16_t*>(out.data()), elements, kUntouchedBfloat);
  else if (blocks || bytes == elements) std::fill_n(static_cast<std::byte*>(out.data()), bytes, kUntouchedByte);
  else if (bytes == 2 * elements) std::fill_n(static_cast<int16_t*>(out.data()), elements, kUntouchedHalf);
  else std::fill_n(out.i32(), bytes / 4, kUntouched);
  return out;
}

std::byte* elementAt(const GuardedArray& array, ElementType type, int64_t element) {
  return static_cast<std::byte*>(array.data()) + bytesOf(type, element);
}

/// A copy of dense rows with `extra` elements between.
GuardedArray padded(ElementType type, const TensorData& dense, int64_t extra, const CheckRun& run) {
  GuardedArray out = untouched(type, dense.shape, extra, run);
  int64_t rows = rowsOf(dense.shape), width = dense.shape.empty() ? 1 : dense.shape.back();
  for (int64_t r = 0; r < rows; ++r)
    std::memcpy(elementAt(out, type, r * (width + extra)), static_cast<const std::byte*>(dense.data) + bytesOf(type, r * width),
                static_cast<size_t>(bytesOf(type, width)));
  return out;
}

bool paddingUntouched(ElementType type, const GuardedArray& array, const std::vector<int64_t>& shape, int64_t extra) {
  int64_t rows = rowsOf(shape), width = shape.empty() ? 1 : shape.back();
  CheckRun run;
  GuardedArray fresh = untouched(type, {1, extra}, 0, run);
  for (int64_t r = 0; r + 1 < rows; ++r)
    if (std::memcmp(elementAt(array, type, r * (width + extra) + width), fresh.data(), fresh.bytes()) != 0) return false;
  return true;
}

std::vector<float> gathered(ElementType type, const GuardedArray& from, const std::vector<int64_t>& shape, int64_t extra) {
  int64_t rows = rowsOf(shape), width = shape.empty() ? 1 : shape.back();
  std::vector<float> out(static_cast<size_t>(rows * width));
  for (int64_t r = 0; r < rows; ++r) rowValues(type, elementAt(from, type, r * (width + extra)), width, out.data() + r * width);
  return out;
}

/// The operands as the kernel takes them: weights packed, rows padded where it takes strides, a copy of what it adds to.
class Binding {
public:
  Binding(const KernelInfo& info, const CheckInputs& inputs, const DimValues& dims, const CheckRun& run)
      : run_(run), shape_(outputOf(inputs.op).extents()), type_(outputOf(inputs.op).type), arguments_(inputs.op, dims) {
    arguments_.packInto([this](int64_t bytes) {
      return kept_.emplace_back(static_cast<size_t>(bytes), run_.flush, static_cast<size_t>(run_.offset) * 4).data();
    });
    for (size_t i = 0; i < info.buffers.size(); ++i) bind(i, info.buffers[i], inputs);
  }
  CallArguments& arguments() { return arguments_; }
  std::vector<float> result() const { return gathered(type_, *result_, shape_, extra_); }
  /// Of blocks of q8: whether each has the sums of its codes.
  bool sumsFit() const {
    bool all = true, fits = true;
    int64_t bytes = formatOf(ElementType::Q8).blockBytes, end = type_ == ElementType::Q8 ? static_cast<int64_t>(result_->bytes()) : 0;
    for (int64_t at = 0; at + bytes <= end; at += bytes) {
      loadCoded(static_cast<const std::byte*>(result_->data()) + at, &fits);
      all = all && fits;
    }
    return all;
  }
  bool keptBetweenRows() const { return paddingUntouched(type_, *result_, shape_, extra_); }

private:
  void bind(size_t index, const KernelBuffer& buffer, const CheckInputs& inputs) {
    int64_t extra = buffer.strides > 0 ? roundUp(run_.extraStride, formatOf(buffer.type).block) : 0;
    if (buffer.use == BufferUse::Out || buffer.use == BufferUse::InOut) {
      extra_ = extra;
      result_ = buffer.use == BufferUse::Out ? untouched(type_, shape_, extra, run_) : padded(type_, inputs.tensors[index], extra, run_);
      arguments_.output(result_->data(), paddedStrides(shape_, extra));
    } else if (buffer.use == BufferUse::Weight || extra == 0) {
      arguments_.input(index, inputs.tensors[index].data);
    } else {
      const TensorData& dense = inputs.tensors[index];
      arguments_.input(index, kept_.emplace_back(padded(buffer.type, dense, extra, run_)).data(), paddedStrides(dense.shape, extra));
    }
  }

  CheckRun run_;
  std::vector<int64_t> shape_;  ///< the result's
  ElementType type_;
  CallArguments arguments_;
  std::vector<GuardedArray> kept_;
  std::optional<GuardedArray> result_;
  int64_t extra_ = 0;
};

}  // namespace

Result<std::vector<float>> runKernel(const KernelSet& kernel, const CheckInputs& inputs, const DimValues& dims, const CheckRun& run,
                                     const TaskRunner* runner, const Stop& stop) {
  Binding binding(kernel.info(), inputs, dims, run);
  auto call = binding.arguments().call(kernel, runner == nullptr ? 1 : 8, stop);
  if (!call) return call.error();
  if (runner != nullptr) call->run(*runner);
  else if (stop.possible()) call->run(inPieces(stop));
  else call->run();
  if (stop.asked()) return stoppedError(kernel.info().op);
  if (!binding.keptBetweenRows())
    return internalError(fmt::format("{} [{}] wrote between the rows of its output", kernel.info().op, kernel.info().schedule));
  if (!binding.sumsFit())
    return internalError(fmt::format("{} [{}] wrote sums that are not those of its codes", kernel.info().op, kernel.info().schedule));
  return binding.result();
}

Result<RunResult> runOnce(const KernelSet& kernel, const CheckInputs& inputs, const DimValues& dims, const CheckRun& run,
                          const TaskRunner* runner, const ReferenceScope& scope) {
  auto output = runKernel(kernel, inputs, dims, run, runner, scope.stop);
  if (!output) return output.error();
  RunResult result{std::move(*output), reference(inputs.op, inputs.tensors, kindOf(run.data), scope)};
  if (scope.stop.asked()) return stoppedError(kernel.info().op);
  return result;
}

Result<RunResult> runOnce(const KernelSet& kernel, const OpDesc& op, const DimValues& dims, const CheckRun& run, const TaskRunner* runner,
                          const ReferenceScope& scope) {
  return runOnce(kernel, makeInputs(fixed(op, dims), run.data, run.seed, run.flush, run.offset, scope.stop), dims, run, runner, scope);
}

ReferenceScope affordableReference(const Stop& stop) {
  constexpr double kMostWork = 3e8;
  return {kMostWork, stop};
}

CheckReport judge(const OpDesc& op, const RunResult& run, InputData data) {
  Comparison found = compare(run.expected, run.output);
  CheckReport report{1, found.worst, found.worst <= 1, "", {data}};
  if (report.passed) return report;
  auto at = static_cast<size_t>(found.worstAt);
  report.failure = fmt::format("{}, {} data: element {} is {}, {} +- {} is right", text(op), text(data), at, shortest(run.output[at]),
                               shortest(run.expected.value[at]), shortest(run.expected.limit[at]));
  return report;
}

std::string certifiedText(const OpDesc& op, const DimValues& dims, int64_t runs) {
  std::string sizes;
  for (const std::string& name : runtimeDims(op)) sizes += fmt::format("{}{}={}", sizes.empty() ? "" : " ", name, dims.at(name));
  return fmt::format("{}: {} runs", sizes.empty() ? "its sizes" : sizes, runs);
}

std::string certifiedData(const CheckReport& report) {
  std::string all;
  for (InputData kind : report.data) all += fmt::format("{}{}", all.empty() ? "; " : " ", text(kind));
  return all;
}

std::vector<DimValues> certifiedSizes(const OpDesc& op, std::string_view of) {
  std::vector<DimValues> all;
  std::vector<std::string> names = runtimeDims(op);
  for (std::string_view one : split(of.substr(0, of.find(';')), ',')) {
    DimValues dims;
    for (std::string_view word : split(one.substr(0, one.find(':')), ' ')) {
      auto value = parseInt(word.substr(std::min(word.size(), word.find('=') + 1)));
      if (value && *value >= 0) dims[std::string(word.substr(0, word.find('=')))] = *value;
    }
    bool whole =
        dims.size() == names.size() && std::all_of(names.begin(), names.end(), [&](const auto& name) { return dims.contains(name); });
    if (whole && one.find(':') != one.npos && std::visit([](const auto& o) { return static_cast<bool>(o.validate()); }, fixed(op, dims)))
      all.push_back(std::move(dims));
  }
  return all;
}

void CheckReport::add(const CheckReport& other) {
  cases += other.cases;
  for (InputData kind : other.data)
    if (std::find(data.begin(), data.end(), kind) == data.end()) data.push_back(kind);
  worst = std::max(worst, other.worst);
  if (passed && !other.passed) failure = other.failure;
  passed = passed && other.passed;
}

Result<CheckReport> checkKernel(const KernelSet& kernel, const OpDesc& op, const DimValues& dims, uint64_t seed, const Stop& stop) {
  OpDesc bound = fixed(op, dims);
  std::vector<CheckRun> runs = {{InputData::ZeroMean, seed, Flush::End, 0},
                                {InputData::Integer, seed + 1, Flush::Begin, 1},
                                {InputData::Unit, seed + 2, Flush::End, 7},
                                {InputData::Specials, seed + 3, Flush::End, 0},
                                {InputData::Specials, seed + 4, Flush::Begin, 7}};
  auto also = [&](InputData data) { runs.push_back({data, seed + runs.size(), runs.size() % 2 == 0 ? Flush::Begin : Flush::End, 0}); };
  bool products = classOf(op) == OpClass::Contraction || classOf(op) == OpClass::Attention;
  also(InputData::Offset);
  if (classOf(op) != OpClass::Contraction) also(InputData::Same);
  // Products of two operands overflow and vanish as their formula has it; everything else promises its results where they fit.
  if (!products) also(InputData::Huge);
  if (!products) also(InputData::Tiny);
  // A large op's runs and inputs take long: three runs of it cover a flush end, a flush beginning, padded rows and data with a mean.
  constexpr double kManyFlops = 1e8, kManyBytes = 3e7;
  bool large = flopsOf(bound) > kManyFlops || minBytesOf(bound) > kManyBytes;
  CheckReport report;
  for (const CheckRun& run : runs) {
    if (large && &run != &runs[0] && &run != &runs[4] && run.data != InputData::Offset) continue;
    auto result = runOnce(kernel, op, dims, run, nullptr, affordableReference(stop));
    if (!result) return result.error();
    report.add(judge(fixed(op, dims), *result, run.data));
  }
  return report;
}

std::vector<DimValues> edgeSizes(const OpDesc& op, const Schedule& schedule, int count, uint64_t seed) {
  std::vector<int64_t> ladder = {0, 1, 2, 3, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 97, 127, 128, 129};
  for (const ScheduleKeyInfo& key : keysOf(schedule)) {
    auto value = parseInt(key.value);
    if (value && *value > 1 && *value <= 256)
      for (int64_t near : {*value - 1, *value, *value + 1}) ladder.push_back(near);
  }
  std::vector<std::string> names = runtimeDims(op);
  std::mt19937_64 random(seed);
  std::vector<DimValues> sizes;
  constexpr double kMaxWork = 4e6;  // keeps the reference quick
  for (int tries = 0; static_cast<int>(sizes.size()) < count && tries < 20 * count; ++tries) {
    DimValues values;
    for (const std::string& name : names) values[name] = ladder[random() % ladder.size()];
    OpDesc bound = fixed(op, values);
    bool legal = std::visit([](const auto& o) { return static_cast<bool>(o.validate()); }, bound);
    if (!canBeDrawn(bound)) continue;
    if (legal && flopsOf(bound) <= kMaxWork) sizes.push_back(std::move(values));
  }
  return sizes;
}

}  // namespace quern
