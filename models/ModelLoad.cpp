// models/ModelLoad.cpp — see ModelLoad.h.
#include "models/ModelLoad.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"
#include "compiler/store/WeightPacking.h"
#include "models/files/WeightValues.h"
#include "runtime/ThreadPool.h"

#include <atomic>
#include <cstring>
#include <fmt/format.h>

namespace quern {

namespace {

/// Where one weight of the graph goes.
struct Place {
  int64_t offset = 0, bytes = 0;
  PackLayout layout;
  std::string key;                   ///< of what is packed: op and layout
  const std::byte* there = nullptr;  ///< where it is packed already
};

class Loader {
public:
  Loader(ModelGraph& graph, const Weights& weights, const KernelProvider& kernels, const LoadOptions& options)
      : graph_(graph), weights_(weights), kernels_(kernels), options_(options), pool_(options.threads) {}

  Result<LoadedWeights> run() {
    if (auto good = measure(); !good) return good.error();
    auto memory = HugeMemory::make(total_);
    if (!memory) return memory.error();
    memory_ = *memory;
    for (size_t i = 0; i < graph_.weights().size(); ++i)
      if (auto good = load(graph_.weights()[i], places_[i]); !good) return good.error();
    if (auto good = checkPacked(); !good) return good.error();
    connect();
    tellConversions();
    LoadedWeights loaded{memory_, perToken_, std::move(ropeAngles_), {}};
    for (const Place& place : places_)
      if (!place.key.empty()) loaded.packed.push_back({place.key, at(place), place.bytes});
    return loaded;
  }

  Result<int64_t> bytes() {
    if (auto good = measure(); !good) return good.error();
    return total_;
  }

private:
  /// Layouts and offsets of everything.
  Result<void> measure() {
    for (const GraphWeight& weight : graph_.weights()) {
      if (auto good = checkMade(weight); !good) return good;
      Place place;
      int64_t columns = 0;
      for (int64_t each : weight.columns) columns += each;
      if (weight.kind == GraphWeight::Kind::Packed) {
        auto kernels = kernels_(weight.op);
        if (!kernels) return kernels.error();
        QUERN_CHECK_FOR(kernels->packing() != nullptr, text(weight.op));
        place.layout = *kernels->packing();
        QUERN_CHECK_FOR(place.layout.panel > 0 && place.layout.columns == columns, text(weight.op));
        place.bytes = place.layout.bytes();
        place.key = fmt::format("{} | {}", text(weight.op), text(place.layout));
        perToken_ += static_cast<int64_t>(static_cast<double>(place.bytes) * weight.share);
        if (auto good = findPacked(place); !good) return good;
      } else if (weight.kind == GraphWeight::Kind::Floats) {
        place.bytes = columns * 4;
      }
      if (place.there == nullptr) place.offset = take(place.bytes);
      places_.push_back(place);
      for (const Weight* piece : weight.pieces)
        if (piece != nullptr && weight.kind != GraphWeight::Kind::Table && place.there == nullptr)
          sourceBytes_ += static_cast<double>(piece->bytes);
    }
    for (size_t i = 0; i < graph_.angles().size(); ++i) angles_.push_back(take(graph_.angleBytes()));
    return {};
  }
  /// Rows of a table are read where they lie.
  Result<void> checkMade(const GraphWeight& weight) const {
    for (const Weight* piece : weight.pieces)
      if (piece != nullptr && piece->made != nullptr && weight.kind == GraphWeight::Kind::Table)
        return badInput(fmt::format("{}: tensor '{}' lies in groups of integers, plain numbers are needed", escaped(weights_.label()),
                                    escapedShort(piece->stored)));
    return {};
  }
  /// The next of the packed file, where there is one.
  Result<void> findPacked(Place& place) {
    if (options_.packed == nullptr) return {};
    const std::vector<PackedWeight>& all = options_.packed->weights();
    const PackedWeight* next = packed_ < all.size() ? &all[packed_] : nullptr;
    if (next == nullptr || next->key != place.key || next->bytes != place.bytes)
      return badInput(fmt::format("{}: weight {} is '{}', '{}' is needed; quern emit --weights writes it anew",
                                  escaped(options_.packed->path()), packed_ + 1, next == nullptr ? "missing" : escapedShort(next->key),
                                  place.key));
    place.there = next->data;
    ++packed_;
    return {};
  }
  /// Reads all that is packed, on all threads.
  Result<void> checkPacked() {
    if (options_.packed == nullptr) return {};
    struct Job {
      const PackedFile& file;
      std::atomic<int64_t> damaged{-1};
    } job{*options_.packed};
    auto task = [](void* context, int, int64_t begin, int64_t end) {
      auto& all = *static_cast<Job*>(context);
      for (int64_t i = begin; i < end; ++i)
        if (!all.file.check(static_cast<size_t>(i))) all.damaged = i;
    };
    pool_.run(static_cast<int64_t>(packed_), task, &job);
    return job.damaged < 0 ? Result<void>() : job.file.check(static_cast<size_t>(job.damaged));
  }
  const std::byte* at(const Place& place) const { return place.there != nullptr ? place.there : memory_.data() + place.offset; }
  int64_t take(int64_t bytes) {
    int64_t at = total_;
    total_ = roundUp(total_ + bytes, 64);
    return at;
  }

  Result<void> load(const GraphWeight& weight, const Place& place) {
    if (options_.stop.asked()) return stoppedError(fmt::format("{}: loading", escaped(weights_.label())));
    std::byte* to = memory_.data() + place.offset;
    if (weight.kind == GraphWeight::Kind::Table) return {};
    if (weight.kind == GraphWeight::Kind::Floats) {
      for (size_t i = 0; i < weight.pieces.size(); ++i, to += weight.columns[i - 1] * 4) {
        auto* values = reinterpret_cast<float*>(to);  // fresh memory, which is zeros
        const Weight* piece = weight.pieces[i];
        if (piece != nullptr)
          if (auto good = floats(*piece, weight.columns[i], values); !good) return good;
        for (int64_t v = 0; v < weight.columns[i] && weight.plus != 0; ++v) values[v] += weight.plus;
        if (piece != nullptr) advance(*piece);
      }
    } else if (place.there == nullptr) {
      if (auto good = pack(weight, place.layout, to); !good) return good;
    }
    graph_.plan().setConstant(weight.buffer, at(place));
    return {};
  }

  Result<void> floats(const Weight& weight, int64_t count, float* to) {
    std::vector<std::byte> made = weight.made != nullptr ? madeRows(weight) : std::vector<std::byte>();
    auto good = toFloats(weight.type, weight.made != nullptr ? made.data() : weight.data, count, to);
    if (good) return {};
    return badInput(fmt::format("{}: tensor '{}': {}", escaped(weights_.label()), escapedShort(weight.stored), good.error().message));
  }

  Result<void> pack(const GraphWeight& weight, const PackLayout& layout, std::byte* to) {
    std::vector<WeightPiece> pieces;
    std::vector<std::vector<std::byte>> converted;
    int64_t row = bytesOf(weight.type, layout.transposed ? layout.depth : layout.columns);
    for (size_t i = 0; i < weight.pieces.size(); ++i) {
      const Weight& piece = *weight.pieces[i];
      const std::byte* data = piece.data;
      if (piece.made != nullptr) {
        data = converted.emplace_back(madeRows(piece)).data();
      } else if (piece.type != fileTypeOf(weight.type)) {
        auto made = conversion(piece, weight.type);
        if (!made) return made.error();
        data = converted.emplace_back(std::move(*made)).data();
      }
      pieces.push_back({data, weight.columns[i], row});
    }
    struct Job {
      const PackLayout* layout;
      std::span<const WeightPiece> pieces;
      std::byte* to;
    } job{&layout, pieces, to};
    auto task = [](void* context, int, int64_t begin, int64_t end) {
      const auto& all = *static_cast<Job*>(context);
      packPanels(*all.layout, all.pieces, begin, end, all.to);
    };
    pool_.run(layout.panels(), task, &job);
    for (const Weight* piece : weight.pieces) advance(*piece);
    return {};
  }

  /// All rows of a weight that is made of others, on all threads.
  std::vector<std::byte> madeRows(const Weight& weight) {
    static constexpr int64_t kTogether = 16;  // neighbours in a line of what they are made of
    std::vector<std::byte> made(static_cast<size_t>(weight.bytes));
    int64_t each = *rowBytes(weight.type, weight.shape.back());
    struct Job {
      const MadeRows& rows;
      int64_t count, rowBytes;
      std::byte* to;
    } job{*weight.made, each == 0 ? 0 : weight.bytes / each, each, made.data()};
    auto task = [](void* context, int, int64_t begin, int64_t end) {
      const auto& all = *static_cast<Job*>(context);
      for (int64_t at = begin; at < end; ++at) {
        int64_t first = at * kTogether;
        all.rows.put(first, std::min(kTogether, all.count - first), all.to + first * all.rowBytes);
      }
    };
    pool_.run(ceilDiv(job.count, kTogether), task, &job);
    return made;
  }

  /// A weight of a type that no kernel reads, as one that they do.
  Result<std::vector<std::byte>> conversion(const Weight& weight, ElementType type) {
    int64_t elements = 1, row = weight.shape.back();
    for (int64_t extent : weight.shape) elements *= extent;
    std::vector<std::byte> made(static_cast<size_t>(bytesOf(type, elements)));
    std::vector<float> values(static_cast<size_t>(row));
    auto from = static_cast<size_t>(*rowBytes(weight.type, row)), to = static_cast<size_t>(bytesOf(type, row));
    for (int64_t r = 0; r * row < elements; ++r) {
      auto i = static_cast<size_t>(r);
      if (auto good = toFloats(weight.type, weight.data + i * from, row, values.data()); !good) return good.error();
      auto good = fromFloats(fileTypeOf(type), values.data(), row, made.data() + i * to);
      if (!good)
        return badInput(fmt::format("{}: tensor '{}': {}", escaped(weights_.label()), escapedShort(weight.stored), good.error().message));
    }
    auto& cost = conversions_[{weight.type, type}];
    ++cost.tensors;
    cost.before += weight.bytes;
    cost.after += static_cast<int64_t>(made.size());
    return made;
  }

  void advance(const Weight& weight) {
    weights_.drop(weight);
    doneBytes_ += static_cast<double>(weight.bytes);
    if (options_.progress) options_.progress(doneBytes_, sourceBytes_);
  }

  /// Tables and angles, which need no kernel's layout.
  void connect() {
    for (const GraphGather& gather : graph_.gathers()) {
      const GraphWeight& weight = graph_.weights()[gather.weight];
      const Place& place = places_[gather.weight];
      if (weight.kind == GraphWeight::Kind::Packed) {
        graph_.plan().setGather(gather.step, [layout = place.layout, from = at(place), scale = gather.scale](int32_t id, float* row) {
          packedColumn(layout, from, id, row);
          scaleRow(row, layout.depth, scale);
        });
        continue;
      }
      const Weight& table = *weight.pieces[0];
      int64_t each = *rowBytes(table.type, weight.depth);
      if (gather.rows != 0) {
        int64_t element = *rowBytes(table.type, 1);
        graph_.plan().setGather(gather.step, [type = table.type, data = table.data, each, element, rows = gather.rows,
                                              scale = gather.scale](int32_t id, float* column) {
          for (int64_t i = 0; i < rows; ++i) QUERN_CHECK(static_cast<bool>(toFloats(type, data + i * each + id * element, 1, column + i)));
          scaleRow(column, rows, scale);
        });
        continue;
      }
      graph_.plan().setGather(
          gather.step, [type = table.type, data = table.data, each, width = weight.depth, scale = gather.scale](int32_t id, float* row) {
            QUERN_CHECK(static_cast<bool>(toFloats(type, data + id * each, width, row)));
            scaleRow(row, width, scale);
          });
    }
    for (size_t i = 0; i < angles_.size(); ++i) {
      const GraphAngles& of = graph_.angles()[i];
      auto* angles = reinterpret_cast<float*>(memory_.data() + angles_[i]);
      ropeAngles_.emplace_back(of.rope, graph_.config().turnedDim(), of.factors, angles);
      graph_.plan().setConstant(of.buffer, angles);
    }
  }
  static void scaleRow(float* row, int64_t width, float scale) {
    for (int64_t i = 0; i < width && scale != 1; ++i) row[i] *= scale;
  }

  void tellConversions() const {
    if (!options_.note) return;
    for (const auto& [types, cost] : conversions_) {
      const char* error = types.second == ElementType::Q8_0 ? "1/225 of the largest of 32 and 4e-6" : "2^-24 of each value";
      options_.note(fmt::format("{}: {} tensor{} of {} read as {}: {} instead of {}, rounded once more by at most {}",
                                escaped(weights_.label()), cost.tensors, cost.tensors == 1 ? "" : "s", nameOf(types.first),
                                text(types.second), humanBytes(static_cast<double>(cost.after)),
                                humanBytes(static_cast<double>(cost.before)), error));
    }
  }

  struct Cost {
    int64_t tensors = 0, before = 0, after = 0;
  };
  ModelGraph& graph_;
  const Weights& weights_;
  const KernelProvider& kernels_;
  const LoadOptions& options_;
  ThreadPool pool_;
  std::vector<Place> places_;
  int64_t total_ = 0, perToken_ = 0;
  std::vector<int64_t> angles_;  ///< where each table lies
  double sourceBytes_ = 0, doneBytes_ = 0;
  size_t packed_ = 0;  ///< of the packed file, how many are placed
  HugeMemory memory_;
  std::vector<RopeAngles> ropeAngles_;
  std::map<std::pair<TensorType, ElementType>, Cost> conversions_;
};

}  // namespace

Result<int64_t> loadedBytes(ModelGraph& graph, const Weights& weights, const KernelProvider& kernels) {
  return Loader(graph, weights, kernels, {}).bytes();
}

Result<LoadedWeights> loadWeights(ModelGraph& graph, const Weights& weights, const KernelProvider& kernels, const LoadOptions& options) {
  return Loader(graph, weights, kernels, options).run();
}

}  // namespace quern
