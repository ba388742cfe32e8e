// tools/quern/commands/Quantize.cpp — `quern quantize`: a model's weights in another type, with what that costs.
#include "compiler/base/Text.h"
#include "compiler/target/UsableCpus.h"
#include "models/files/Gguf.h"
#include "models/files/GgufWriter.h"
#include "models/files/WeightFiles.h"
#include "models/files/WeightMix.h"
#include "models/files/WeightValues.h"
#include "runtime/ThreadPool.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/cli/Output.h"
#include "tools/quern/cli/Progress.h"
#include "tools/quern/cli/Words.h"
#include "tools/quern/commands/Command.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <numeric>

namespace quern {

static const CommandInfo kQuantizeInfo = {"quantize", "MODEL.gguf -o OUT.gguf --type T",
                                          "writes a model's weights in another type, with the error of each tensor",
                                          "  quern quantize model-f16.gguf -o model-q8_0.gguf --type q8_0\n"
                                          "  quern quantize model-f32.gguf -o model-q4_K_M.gguf --type q4_K_M --json -\n"};

namespace {

/// One tensor on its way.
struct Requantised {
  const FileTensor* from = nullptr;
  TensorType to = TensorType::F32;
  bool replaced = false;       ///< its rows are no whole blocks of the type asked for
  double error = 0, size = 0;  ///< sums of squares: of what was lost, of what was there
  double relative() const { return size > 0 ? std::sqrt(error / size) : 0; }
};

/// Single rows of numbers, and what decides where others go, stay as they are.
bool staysAsIs(const FileTensor& tensor) {
  if (tensor.shape.size() < 2 || !tensor.name.ends_with(".weight")) return true;
  for (std::string_view part : {"position_embd", "token_types", "ffn_gate_inp", "rope_freqs"})
    if (tensor.name.find(part) != std::string::npos) return true;
  return false;
}

TensorType typeFor(const FileTensor& tensor, const WeightMix& mix, bool tied) {
  bool some = tensor.name.find("attn_v.") != std::string::npos || tensor.name.find("ffn_down.") != std::string::npos;
  bool head = tensor.name == "output.weight" || (tied && tensor.name == "token_embd.weight");
  return head ? mix.head : some ? mix.some : mix.most;
}

/// Rows of one tensor from its type to another, on all threads, piece by piece.
class Requantiser {
public:
  Requantiser(ThreadPool& pool, const std::function<void(int64_t bytes)>& done) : pool_(pool), done_(done) {}

  /// Errors: as toFloats and fromFloats.
  Result<void> run(Requantised& tensor, const ByteSink& sink) {
    const FileTensor& from = *tensor.from;
    if (tensor.to == from.type) {
      done_(from.bytes);
      return sink({from.data, static_cast<size_t>(from.bytes)});
    }
    columns_ = from.shape.back();
    constexpr int64_t kPiece = int64_t{1} << 20;  // elements
    int64_t rows = columns_ == 0 ? 0 : from.elements() / columns_, atOnce = std::max<int64_t>(1, kPiece / std::max<int64_t>(1, columns_));
    int64_t rowFrom = *rowBytes(from.type, columns_), rowTo = *rowBytes(tensor.to, columns_);
    for (int64_t first = 0; first < rows; first += atOnce) {
      count_ = std::min(atOnce, rows - first);
      tensor_ = &tensor, begin_ = from.data + first * rowFrom, rowFrom_ = rowFrom, rowTo_ = rowTo;
      bytes_.resize(static_cast<size_t>(count_ * rowTo));
      sums_.assign(static_cast<size_t>(count_), {0, 0});
      failed_.assign(static_cast<size_t>(count_), std::nullopt);
      pool_.run(count_, [](void* self, int, int64_t a, int64_t b) { static_cast<Requantiser*>(self)->rows(a, b); }, this);
      for (const auto& why : failed_)
        if (why) return badInput(fmt::format("tensor '{}': {}", escapedShort(from.name), why->message));
      for (auto [error, size] : sums_) tensor.error += error, tensor.size += size;
      if (auto good = sink(bytes_); !good) return good;
      done_(count_ * rowFrom);
    }
    return {};
  }

private:
  void rows(int64_t begin, int64_t end) {
    std::vector<float> values(static_cast<size_t>(columns_)), back(values.size());
    for (int64_t row = begin; row < end; ++row) {
      auto at = static_cast<size_t>(row);
      std::byte* to = bytes_.data() + row * rowTo_;
      auto good = toFloats(tensor_->from->type, begin_ + row * rowFrom_, columns_, values.data());
      if (good) good = fromFloats(tensor_->to, values.data(), columns_, to);
      if (good) good = toFloats(tensor_->to, to, columns_, back.data());
      if (!good) {
        failed_[at] = good.error();
        continue;
      }
      for (size_t i = 0; i < values.size(); ++i) {
        double off = double{back[i]} - values[i];
        sums_[at].first += off * off, sums_[at].second += double{values[i]} * values[i];
      }
    }
  }

  ThreadPool& pool_;
  const std::function<void(int64_t bytes)>& done_;
  Requantised* tensor_ = nullptr;
  const std::byte* begin_ = nullptr;
  int64_t columns_ = 0, count_ = 0, rowFrom_ = 0, rowTo_ = 0;
  std::vector<std::byte> bytes_;
  std::vector<std::pair<double, double>> sums_;
  std::vector<std::optional<Error>> failed_;
};

/// What becomes of each tensor. Errors: BadInput, a type that cannot be read.
Result<std::vector<Requantised>> planOf(const WeightFiles& files, const WeightMix& mix) {
  bool tied = files.find("output.weight") == nullptr;
  std::vector<Requantised> plan;
  for (const FileTensor& tensor : files.tensors()) {
    Requantised one{&tensor, tensor.type, false, 0, 0};
    if (!staysAsIs(tensor)) {
      TensorType wanted = typeFor(tensor, mix, tied);
      one.to = fittingType(wanted, tensor.shape.back());
      one.replaced = one.to != wanted;
      if (auto good = checkConvertible(tensor.type); one.to != tensor.type && !good)
        return badInput(fmt::format("{}: tensor '{}': {}", escaped(files.path()), escapedShort(tensor.name), good.error().message));
    }
    plan.push_back(one);
  }
  return plan;
}

std::string tableOf(const std::vector<Requantised>& plan, const WeightMix& mix) {
  std::string out = "  error  from     to       tensor\n";
  int64_t before = 0, after = 0, replaced = 0;
  for (const Requantised& one : plan) {
    before += one.from->bytes, after += *tensorBytes(one.to, one.from->shape), replaced += one.replaced ? 1 : 0;
    if (one.to == one.from->type) continue;
    out += fmt::format("{:>7.4f}  {:<7}  {:<7}  {} {}{}\n", one.relative(), nameOf(one.from->type), nameOf(one.to),
                       escapedShort(one.from->name), dimensionsText(one.from->shape),
                       one.replaced ? fmt::format("  (rows are no whole blocks of {})", mix.name) : "");
  }
  out += fmt::format("\n{} of {} tensors converted, {} to {}; error: root of the mean square of what was lost, of that of the values\n",
                     std::count_if(plan.begin(), plan.end(), [](const Requantised& one) { return one.to != one.from->type; }), plan.size(),
                     humanBytes(static_cast<double>(before)), humanBytes(static_cast<double>(after)));
  if (replaced > 0) out += fmt::format("{} in q8_0 or f16 instead\n", counted(static_cast<size_t>(replaced), "tensor"));
  return out;
}

Json jsonOf(const std::vector<Requantised>& plan, const std::string& out) {
  Json tensors = Json::array();
  for (const Requantised& one : plan)
    tensors.push_back({{"name", escaped(one.from->name)},
                       {"from", std::string(nameOf(one.from->type))},
                       {"to", std::string(nameOf(one.to))},
                       {"replaced", one.replaced},
                       {"error", one.relative()}});
  return {{"file", escaped(out)}, {"tensors", tensors}};
}

/// The keys of the first file but for those that say how its weights are stored.
void copyKeys(const GgufFile& file, const WeightMix& mix, GgufWriter& writer) {
  for (const auto& [key, bytes] : file.keys) {
    bool own =
        key == "general.file_type" || key == "general.quantization_version" || key == "general.alignment" || key.starts_with("split.");
    if (!own) writer.raw(bytes);
  }
  writer.u32("general.file_type", static_cast<uint32_t>(mix.ggufFileType));
  writer.u32("general.quantization_version", 2);
}

}  // namespace

static Result<int> quantize(const CommandLine& line, const std::string& model, const WeightMix& mix) {
  std::string out = line.get("output");
  auto files = WeightFiles::open(model);
  if (!files) return files.error();
  if (files->format() != WeightFormat::Gguf)
    return badInput(fmt::format("{}: a folder of safetensors; quantize takes a .gguf file", escaped(model)));
  std::error_code ignored;
  for (const MappedFile& file : files->files())
    if (std::filesystem::equivalent(file.path(), out, ignored))
      return badCommand(fmt::format("quantize: -o {} is the model itself", escaped(out)));
  auto plan = planOf(*files, mix);
  if (!plan) return plan.error();
  auto head = parseGguf(files->files()[0].text(), model);
  if (!head) return head.error();
  GgufWriter writer;
  copyKeys(*head, mix, writer);
  ProgressBar bar(wantsProgress(line), "converting", humanBytes);
  int64_t done = 0, all = files->tensorBytes();
  Stop stop = interruption();
  std::function<void(int64_t)> more = [&](int64_t bytes) { bar.show(static_cast<double>(done += bytes), static_cast<double>(all)); };
  ThreadPool pool(usableCpus());
  Requantiser requantiser(pool, more);
  for (Requantised& one : *plan)
    writer.tensor(one.from->name, one.to, one.from->shape, [&](const ByteSink& sink) -> Result<void> {
      if (stop.asked()) return stoppedError("quantize");
      return requantiser.run(one, sink);
    });
  auto written = writer.write(out);
  bar.clear();
  if (stop.asked()) return interruptedStatus();
  if (!written) return written.error();
  if (auto good = files->checkUnchanged(); !good) return good.error();
  if (line.has("json"))
    if (auto good = writeResult(jsonText(jsonOf(*plan, out)), line.get("json")); !good) return good.error();
  if (line.get("json") != "-")
    if (auto good = writeResult(tableOf(*plan, mix)); !good) return good.error();
  return 0;
}

static Result<int> runQuantize(std::vector<std::string> args) {
  CommandLine line(kQuantizeInfo, std::move(args));
  line.common({"json"})
      .value("output", "OUT.gguf", "", "where the model goes", 'o')
      .value("type", "T", "",
             "q8_0, q4_0, q4_1, q5_0, q5_1, q2_K, q3_K, q4_K, q4_K_M (attn_v, ffn_down and the head in q6_K), q5_K, q6_K, "
             "iq4_nl, iq4_xs, mxfp4, bf16, f16, f32");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (line.words().size() != 1) return badCommand("quantize: one MODEL.gguf is needed");
  if (line.get("output").empty()) return badCommand("quantize: -o OUT.gguf is missing");
  if (line.get("type").empty()) return badCommand(fmt::format("quantize: --type is missing: {}", join(weightMixNames(), " ")));
  auto mix = weightMixOf(line.get("type"));
  if (!mix) return badCommand(fmt::format("quantize: --type {} is none of {}", escaped(line.get("type")), join(weightMixNames(), " ")));
  return quantize(line, line.words()[0], *mix);
}

Command quantizeCommand() { return {kQuantizeInfo, runQuantize}; }

}  // namespace quern
