// models/Model.cpp — see Model.h.
#include "models/Model.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace quern {

/// The architecture written into `graph`, over weights that are its own.
static Result<void> describe(const ModelSource& source, ModelGraph& graph) {
  source.architecture->build(graph, source.config, source.hf);
  if (graph.status()) graph.handOnRounded();
  return graph.status();
}

Result<void> checkModel(const ModelSource& source) {
  Weights weights = source.weights;
  ModelGraph graph(weights, source.config, 1, source.config.context, {ElementType::F32, source.compute, source.order});
  if (auto good = describe(source, graph); !good) return good;
  return weights.checkAllUsed();
}

Result<Workload> workloadOf(const ModelSource& source, int64_t rows, int64_t past, ElementType kvType) {
  Weights weights = source.weights;
  ModelGraph graph(weights, source.config, rows, source.config.context, {kvType, source.compute, source.order});
  if (auto good = describe(source, graph); !good) return good.error();
  Workload workload{source.config.name, {}};
  auto sizes = ForwardSizes{rows, past, rows}.dimensions();
  for (const PlanStep* step : graph.plan().kernelSteps()) {
    WorkloadItem item{step->op, {}, 1, CacheState::Hot, 0, {}, 1};
    std::vector<std::string> names = runtimeDims(step->op);
    for (size_t i = 0; i < names.size(); ++i) item.sample[names[i]] = valueOf(step->dims[i], sizes);
    if (auto experts = static_cast<int64_t>(step->choices.empty() ? 0 : step->choices[0].buffers.size()); experts > 0) {
      // Rows in equal parts, as far as there are any.
      int64_t& each = item.sample[names[0]];
      item.calls = static_cast<double>(std::min(each, experts));
      each = (each + experts - 1) / experts;
    }
    auto known = std::find_if(workload.items.begin(), workload.items.end(),
                              [&](const WorkloadItem& other) { return text(other.op) == text(step->op); });
    if (known != workload.items.end()) {
      known->calls += item.calls;
      continue;
    }
    workload.items.push_back(std::move(item));
  }
  // What takes longest first.
  std::stable_sort(workload.items.begin(), workload.items.end(), [](const WorkloadItem& a, const WorkloadItem& b) {
    auto work = [](const WorkloadItem& item) { return item.calls * flopsOf(fixed(item.op, item.sample)); };
    return work(a) > work(b);
  });
  return workload;
}

Result<ForwardCost> ForwardCost::of(const ModelSource& source) {
  Weights weights = source.weights;
  ModelGraph graph(weights, source.config, 1, source.config.context, {ElementType::F32, source.compute, source.order});
  if (auto good = describe(source, graph); !good) return good.error();
  ForwardCost cost;
  for (const PlanStep* step : graph.plan().kernelSteps()) cost.steps_.push_back({step->op, step->dims});
  return cost;
}

double ForwardCost::flops(const ForwardSizes& sizes) const {
  return sum(sizes, [](const OpDesc& bound) { return flopsOf(bound); });
}

double ForwardCost::sum(const ForwardSizes& sizes, const std::function<double(const OpDesc& bound)>& figure) const {
  double all = 0;
  auto dimensions = sizes.dimensions();
  for (const Step& step : steps_) {
    DimValues values;
    std::vector<std::string> names = runtimeDims(step.op);
    for (size_t i = 0; i < names.size(); ++i) values[names[i]] = valueOf(step.dims[i], dimensions);
    all += figure(fixed(step.op, values));
  }
  return all;
}

/// Each kernel is asked for once, though every layer runs it.
static KernelProvider remembering(const KernelProvider& kernels, std::map<std::string, KernelSet>& known) {
  return [&](const OpDesc& op) -> Result<KernelSet> {
    std::string key = text(op);
    if (auto found = known.find(key); found != known.end()) return found->second;
    auto kernel = kernels(op);
    if (kernel) known[key] = *kernel;
    return kernel;
  };
}

/// Each once, in the order of the steps.
static std::vector<OpDesc> opsOf(ModelGraph& graph) {
  std::set<std::string> seen;
  std::vector<OpDesc> ops;
  for (const PlanStep* step : graph.plan().kernelSteps())
    if (seen.insert(text(step->op)).second) ops.push_back(step->op);
  return ops;
}

Result<PackedModel> packModel(ModelSource source, const KernelProvider& kernels, const ModelOptions& options) {
  auto files = source.files;
  ModelGraph graph(source.weights, source.config, 1, source.config.context, {options.kvType, source.compute, source.order});
  if (auto good = describe(source, graph); !good) return good.error();
  if (auto good = source.weights.checkAllUsed(); !good) return good.error();
  auto loaded = loadWeights(graph, source.weights, kernels, {options.threads, options.progress, options.note, options.stop, nullptr});
  if (!loaded) return loaded.error();
  PackedModel model{std::move(loaded->packed), {}, {}, loaded->memory};
  std::set<std::string> names;
  for (const GraphWeight& weight : graph.weights())
    for (const Weight* piece : weight.pieces) {
      bool there = piece != nullptr && (piece->file != nullptr || piece->made != nullptr);
      if (weight.kind != GraphWeight::Kind::Packed || !there || !names.insert(piece->stored).second) continue;
      if (piece->made == nullptr) {
        model.tensors.push_back(*piece->file);
        continue;
      }
      const std::vector<int64_t>& shape = piece->made->shape;
      model.tensors.push_back({piece->stored, piece->type, shape, 0, nullptr, *tensorBytes(piece->type, shape), 0});
      model.parts.insert(model.parts.end(), piece->made->parts.begin(), piece->made->parts.end());
    }
  return model;
}

/// Positions and rows at most, as they are asked for.
static Result<std::pair<int64_t, int64_t>> sizesFor(const ModelSource& source, const ModelOptions& options) {
  if (options.context > source.config.context)
    return badInput(fmt::format("{}: a context of {} is asked for, the model was made for {}", escaped(source.weights.label()),
                                options.context, source.config.context));
  int64_t context = options.context != 0 ? options.context : source.config.context;
  // A text of an encoder goes through whole.
  return std::pair(context, source.config.encoder ? std::max(options.chunk, context) : std::min(options.chunk, context));
}

Result<ModelMemory> memoryOf(ModelSource source, const KernelProvider& kernels, const ModelOptions& options) {
  auto sizes = sizesFor(source, options);
  if (!sizes) return sizes.error();
  ModelGraph graph(source.weights, source.config, sizes->second, sizes->first, {options.kvType, source.compute, source.order});
  if (auto good = describe(source, graph); !good) return good.error();
  std::map<std::string, KernelSet> known;
  KernelProvider once = remembering(kernels, known);
  auto weights = loadedBytes(graph, source.weights, once);
  if (!weights) return weights.error();
  auto plan = graph.plan().finish(once);
  if (!plan) return plan.error();
  const PlanMemory& memory = (*plan)->memory();
  int64_t scratch = memory.arenaBytes + memory.scratchBytes(options.threads);
  // Each thread of an encoder has one of its own, for many texts.
  if (source.config.encoder && options.threads > 1) scratch += options.threads * (memory.arenaBytes + memory.scratchBytes(1));
  return ModelMemory{*weights, memory.persistentBytes, scratch};
}

Result<std::shared_ptr<const Model>> Model::load(ModelSource source, const KernelProvider& kernels, const ModelOptions& options) {
  auto sizes = sizesFor(source, options);
  if (!sizes) return sizes.error();
  int64_t context = sizes->first;
  std::shared_ptr<Model> model(new Model(std::move(source)));
  model->context_ = context;
  model->chunk_ = sizes->second;
  model->kvType_ = options.kvType;
  ModelSource& own = model->source_;
  ModelGraph graph(own.weights, own.config, model->chunk_, context, {options.kvType, own.compute, own.order});
  if (auto good = describe(own, graph); !good) return good.error();
  if (auto good = own.weights.checkAllUsed(); !good) return good.error();
  if (options.foreseen) options.foreseen(opsOf(graph));
  std::map<std::string, KernelSet> known;
  KernelProvider once = remembering(kernels, known);
  auto memory = loadWeights(graph, own.weights, once, {options.threads, options.progress, options.note, options.stop, own.packed.get()});
  if (!memory) return memory.error();
  if (own.files)
    if (auto good = own.files->checkUnchanged(); !good) return good.error();
  for (const SourceAdapter& adapter : own.adapters)
    if (auto good = adapter.files->checkUnchanged(); !good) return good.error();
  model->weights_ = std::move(*memory);
  auto plan = graph.plan().finish(once);
  if (!plan) return plan.error();
  model->plan_ = std::move(*plan);
  model->texts_ = graph.texts();
  return std::shared_ptr<const Model>(std::move(model));
}

}  // namespace quern
