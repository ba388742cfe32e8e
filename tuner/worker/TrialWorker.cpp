// tuner/worker/TrialWorker.cpp — see TrialWorker.h.
#include "tuner/worker/TrialWorker.h"

#include "compiler/target/HostTarget.h"
#include "compiler/target/UsableCpus.h"
#include "tuner/measure/Noise.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fmt/format.h>

namespace quern {

/// Beside the operands: kernels, scratch, a copy of the weight for each layout.
static WorkerLimits limitsFor(const OpDesc& bound, int threads) {
  constexpr double kCopies = 16, kMost = 1e12;
  WorkerLimits limits;
  limits.memoryBytes += static_cast<int64_t>(std::min(kMost, kCopies * minBytesOf(bound)));
  limits.threads = threads;
  if (threads == 1) limits.cpu = lastUsableCpu();
  return limits;
}

TrialWorker::TrialWorker(const KernelSet& anchor, const OpDesc& op, const DimValues& dims, TimingOperands& operands,
                         const BitReference& bits, TrialOptions options)
    : anchor_(anchor),
      op_(op),
      dims_(dims),
      operands_(operands),
      bits_(bits),
      options_(std::move(options)),
      worker_([this](std::string_view request) { return serve(request); }, limitsFor(fixed(op, dims), options_.threads)) {
  for (size_t r = 0; r < BitReference::runs(); ++r) outputs_.push_back(GuardedArray::shared(bits.elements(r) * sizeof(float)));
}

// ---- here ----

Result<std::string> TrialWorker::ask(const std::string& request, double seconds, const Stop& stop) {
  auto answer = worker_.ask(request, seconds, stop);
  if (!answer || !answer->starts_with('!')) return answer;
  return internalError(answer->substr(1));
}

/// Sees to it that the worker has the kernel. Not empty: it cannot be called.
Result<std::string> TrialWorker::load(const KernelArtifact& kernel, const Stop& stop) {
  if (!worker_.running() || sentTo_ != worker_.started()) sent_.clear();
  sentTo_ = worker_.running() ? worker_.started() : worker_.started() + 1;
  if (sent_.contains(kernel.key.schedule)) return std::string();
  auto bytes = serialise(kernel);
  if (!bytes) return bytes;
  auto done = ask(fmt::format("load\n{}\n{}", kernel.key.schedule, *bytes), patience(0), stop);
  if (done) sent_.insert(kernel.key.schedule);
  return done;
}

/// A worker that died of the candidate says so as its result; anything else is an error.
static Result<std::string> asVerdict(const Error& error) {
  if (error.code == ErrorCode::Internal) return error.message;
  return error;
}

Result<std::string> TrialWorker::compareRuns(const KernelArtifact& kernel, BitRuns runs, const Stop& stop) {
  const BitReference& bits = runs == BitRuns::Before ? bits_ : *after_;
  constexpr int kPoison = 0x7f;  // a NaN that no kernel gives: what is not copied shows
  for (const GuardedArray& output : outputs_) std::memset(output.data(), kPoison, output.bytes());
  if (auto loaded = load(kernel, stop); !loaded) return asVerdict(loaded.error());
  auto done =
      ask(fmt::format("{}\n{}", runs == BitRuns::Before ? "check" : "check again", kernel.key.schedule), patience(defaultSeconds_), stop);
  if (!done) return asVerdict(done.error());
  for (size_t r = 0; r < outputs_.size(); ++r)
    if (std::string wrong = bits.compare(r, {outputs_[r].f32(), bits.elements(r)}); !wrong.empty()) return "wrong: " + wrong;
  return std::string();
}

Result<std::string> TrialWorker::check(const KernelArtifact& kernel, const Stop& stop) {
  return compareRuns(kernel, BitRuns::Before, stop);
}

Result<std::string> TrialWorker::checkAgain(const KernelArtifact& kernel, const Schedule& schedule, const Stop& stop) {
  if (!after_) {
    double began = nowSeconds();
    auto made = BitReference::make(anchor_, op_, dims_, stop, BitRuns::After);
    if (!made) return made.error();
    defaultSeconds_ = nowSeconds() - began;
    after_ = std::move(*made);
    worker_.end();  // the next one knows these inputs
  }
  auto differs = compareRuns(kernel, BitRuns::After, stop);
  if (!differs || !differs->empty() || runtimeDims(op_).empty()) return differs;
  auto edges = ask(fmt::format("edges\n{}\n{}", kernel.key.schedule, text(schedule)), patience(0), stop);
  return edges ? edges : asVerdict(edges.error());
}

Result<PairSamples> TrialWorker::time(const KernelArtifact* challenger, int pairs, const Stop& stop) {
  if (challenger != nullptr)
    if (auto loaded = load(*challenger, stop); !loaded) return loaded.error();
  double block = std::max(kBlockSeconds, defaultSeconds_);
  auto answer =
      ask(fmt::format("time\n{}\n{}", challenger == nullptr ? "" : challenger->key.schedule, pairs), patience(block * pairs), stop);
  if (!answer) return answer.error();
  // wallSeconds coreSeconds probeNs, then a and b in turn: bytes of doubles.
  std::vector<double> numbers(answer->size() / sizeof(double));
  std::memcpy(numbers.data(), answer->data(), numbers.size() * sizeof(double));
  constexpr size_t kHead = 3;
  if (numbers.size() != kHead + 2 * static_cast<size_t>(pairs)) return internalError("answered rubbish");
  PairSamples samples;
  samples.wallSeconds = numbers[0], samples.coreSeconds = numbers[1], samples.probeNs = numbers[2];
  for (size_t i = kHead; i < numbers.size(); i += 2) {
    samples.a.push_back(numbers[i]);
    samples.b.push_back(numbers[i + 1]);
    bool times = numbers[i] > 0 && numbers[i + 1] > 0;
    if (!times) return internalError("a time that is none");
  }
  return samples;
}

Result<Ceilings> TrialWorker::core(const Stop& stop) {
  auto answer = ask("core\n", patience(0), stop);
  if (!answer) return answer.error();
  double numbers[2] = {};
  if (answer->size() != sizeof numbers) return internalError("answered rubbish");
  std::memcpy(numbers, answer->data(), sizeof numbers);
  Ceilings core;
  core.fmaGflops = numbers[0], core.readGBs[0] = numbers[1];
  return core;
}

// ---- in the worker ----

/// "verb\nrest"
static std::pair<std::string, std::string_view> nextLine(std::string_view text) {
  size_t end = text.find('\n');
  if (end == std::string_view::npos) return {std::string(text), {}};
  return {std::string(text.substr(0, end)), text.substr(end + 1)};
}

std::string TrialWorker::serve(std::string_view request) {
  auto [verb, rest] = nextLine(request);
  auto [name, more] = nextLine(rest);
  if (verb == "load") return serveLoad(name, more);
  if (verb == "check" || verb == "check again") return serveCheck(name, verb != "check");
  if (verb == "core") return serveCore();
  if (verb == "edges") return serveEdges(name, std::string(more));
  int pairs = 0;
  std::from_chars(more.data(), more.data() + more.size(), pairs);
  return serveTime(name, pairs);
}

std::string TrialWorker::serveLoad(const std::string& name, std::string_view bytes) {
  if (loaded_.contains(name)) return "";
  auto artifact = parseArtifact(bytes);
  if (!artifact) return "!" + artifact.error().message;
  auto kernel = loadArtifact(*artifact, "candidate");
  if (!kernel) return "!" + kernel.error().message;
  KernelSet kernels(options_.plant ? options_.plant(*kernel) : *kernel);
  auto calls = operands_.bindAll(kernels, options_.threads);
  if (!calls) return "!" + calls.error().message;
  loaded_.emplace(name, Loaded{kernels, std::move(*calls)});
  return "";
}

std::string TrialWorker::serveCheck(const std::string& name, bool after) {
  const BitReference& bits = after ? *after_ : bits_;
  for (size_t r = 0; r < outputs_.size(); ++r) {
    auto output = bits.output(loaded_.at(name).kernels, r);
    if (!output) return "!" + output.error().message;
    std::memcpy(outputs_[r].data(), output->data(), output->size() * sizeof(float));
  }
  return "";
}

std::string TrialWorker::serveEdges(const std::string& name, const std::string& schedule) {
  auto tiles = parseSchedule(schedule, op_, hostTarget());
  if (!tiles) return "!" + tiles.error().message;
  constexpr int kEdges = 3;
  for (const DimValues& dims : edgeSizes(op_, *tiles, kEdges, 1)) {
    auto report = checkKernel(loaded_.at(name).kernels, op_, dims, 1);
    if (!report) return "!" + report.error().message;
    if (!report->passed) return "wrong: " + report->failure;
  }
  return "";
}

std::string TrialWorker::serveCore() {
  Ceilings core = measureCore(hostTarget());
  double numbers[] = {core.fmaGflops, core.readGBs[0]};
  return {reinterpret_cast<const char*>(numbers), sizeof numbers};
}

/// The anchor is the kernel without a name.
std::string TrialWorker::serveTime(const std::string& challenger, int pairs) {
  if (!loaded_.contains("")) {
    auto calls = operands_.bindAll(anchor_, options_.threads);
    if (!calls) return "!" + calls.error().message;
    loaded_.emplace("", Loaded{anchor_, std::move(*calls)});
  }
  if (options_.threads > 1 && options_.runner && !runner_) runner_ = options_.runner(options_.threads);
  Loaded &a = loaded_.at(""), &b = loaded_.at(challenger);
  TimedCall callA = [&] { a.run(runner_); }, callB = [&] { b.run(runner_); };
  if (a.inBlock == 0) a.inBlock = calibrate(callA, kBlockSeconds);
  if (b.inBlock == 0) b.inBlock = calibrate(callB, kBlockSeconds);
  TileSpeed speed = multipliesTiles(op_) ? TileSpeed::of(hostTarget()) : TileSpeed();
  PairSamples samples = samplePairs(callA, a.inBlock, callB, b.inBlock, pairs, &speed);
  std::vector<double> numbers = {samples.wallSeconds, samples.coreSeconds, frequencyProbeNs()};
  auto calls = static_cast<double>(a.rounds[0].size());
  for (size_t i = 0; i < samples.a.size(); ++i) numbers.insert(numbers.end(), {samples.a[i] / calls, samples.b[i] / calls});
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(double)};
}

}  // namespace quern
