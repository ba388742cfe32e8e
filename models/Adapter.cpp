// models/Adapter.cpp — see Adapter.h.
#include "models/Adapter.h"

#include "compiler/base/Text.h"
#include "models/arch/KnownKeys.h"
#include "models/arch/Needed.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <sys/stat.h>

namespace quern {

namespace {

/// Of adapter_config.json: how it was trained, what its tensors say too, and the size of a form (use_qalora) that is refused.
constexpr std::string_view kAdapterHarmless[] = {"base_model_name_or_path", "revision",        "task_type",       "inference_mode",
                                                 "target_modules",          "exclude_modules", "modules_to_save", "layers_to_transform",
                                                 "layers_pattern",          "rank_pattern",    "fan_in_fan_out",  "bias",
                                                 "megatron_core",           "loftq_config",    "eva_config",      "corda_config",
                                                 "runtime_config",          "peft_version",    "auto_mapping",    "ensure_weight_tying",
                                                 "qalora_group_size",       "megatron_config", "lora_ga_config"};

/// One side of a pair, by what its name ends with.
struct Side {
  std::string target;  ///< what it is a part of, as the model's file would call it
  bool up = false;
};

Weight weightOf(const FileTensor& tensor) {
  return {tensor.name, tensor.type, tensor.shape, tensor.data, tensor.bytes, &tensor, false, nullptr};
}

class AdapterReader {
public:
  AdapterReader(ModelSource& source, const WeightFiles& files, double scale) : source_(source), files_(files), scale_(scale) {}

  Result<void> read() {
    if (auto good = peft() ? readConfig() : readMetadata(); !good) return good;
    for (const FileTensor& tensor : files_.tensors())
      if (auto good = sort(tensor); !good) return good;
    if (pairs_.empty() && !replaced_)
      return bad(files_.path(), "has no tensors of an adapter: NAME.lora_A.weight or NAME.weight.lora_a are");
    for (auto& [target, pair] : pairs_)
      if (auto good = join(target, pair); !good) return good;
    return {};
  }

private:
  struct Pair {
    const FileTensor *down = nullptr, *up = nullptr;
  };
  bool peft() const { return files_.format() == WeightFormat::Safetensors; }
  /// A folder's adapter on a GGUF file, which may store rows in another order.
  bool crossing() const { return peft() && !source_.hf; }
  static Error bad(const std::string& file, const std::string& why) { return badInput(fmt::format("{}: {}", escapedShort(file), why)); }
  Error badTensor(const FileTensor& tensor, const std::string& why) const {
    return bad(files_.path(), fmt::format("tensor '{}' {}", escapedShort(tensor.name), why));
  }

  Result<void> readMetadata() {
    const Metadata& metadata = files_.metadata();
    Needed<Metadata> in(metadata);
    auto is = [&](const char* key, const std::string& wanted) {
      std::string value = in.stringOr(key, "");
      if (value != wanted) in.refuse(key, value.empty() ? "missing" : "'" + value + "'", "'" + wanted + "'");
    };
    is("general.type", "adapter");
    is("adapter.type", "lora");
    alpha_ = in.numberOr("adapter.lora.alpha", 0);
    if (!in.status()) return in.status();
    if (source_.hf || source_.files == nullptr)
      return bad(files_.path(), "is for a GGUF file, whose names and order of rows it has; a model's folder takes PEFT's own folder");
    auto mine = metadata.string("general.architecture"), its = source_.files->metadata().string("general.architecture");
    if (!mine) return mine.error();
    if (!its) return its.error();
    if (*mine != *its)
      in.refuse("general.architecture", std::string(mine->value_or("missing")), fmt::format("'{}', the model's,", its->value_or("")));
    for (const auto& [key, value] : metadata.values())
      if (key.starts_with("adapter.alora.")) in.refuse(key, "there", "an adapter that is always on");
    return in.status();
  }

  Result<void> readConfig() {
    const JsonValue& root = *files_.config();
    JsonFields fields(files_.configPath(), root);
    Needed<JsonFields> in(fields);
    if (std::string type = in.stringOr("peft_type", ""); type != "LORA") in.refuse("peft_type", type.empty() ? "missing" : type, "LORA");
    alpha_ = in.number("lora_alpha");
    rank_ = in.integerOr("r", 0);
    stabilised_ = in.flagOr("use_rslora", false);
    in.noted("init_lora_weights");
    in.noted("alpha_pattern");
    if (!in.status()) return in.status();
    if (const JsonValue* made = root.find("init_lora_weights"); made != nullptr)
      if (const auto* how = made->as<std::string>(); how != nullptr)
        for (const char* moved : {"pissa", "olora", "loftq", "corda", "lora_ga"})
          if (how->starts_with(moved))
            in.refuse("init_lora_weights", "'" + *how + "'", "an adapter that left its model as it was (PEFT converts it when it saves)");
    if (auto good = readPatterns(in, root); !good) return good;
    if (!in.status()) return in.status();
    return checkKeys(files_.configPath(), root, {in.read(), kAdapterHarmless, false});
  }
  /// Modules with an alpha of their own, by the end of their name.
  Result<void> readPatterns(Needed<JsonFields>& in, const JsonValue& root) {
    for (const char* key : {"rank_pattern", "alpha_pattern"})
      if (const JsonValue* own = root.find(key); own != nullptr && own->as<JsonObject>() == nullptr && own->as<std::nullptr_t>() == nullptr)
        in.refuse(key, own->kind(), "an object or null");
    const JsonValue* ranks = root.find("rank_pattern");
    const auto* own = ranks == nullptr ? nullptr : ranks->as<JsonObject>();
    if (own != nullptr && !own->empty()) rank_ = 0;  // some modules have others: their tensors say which
    const JsonValue* given = root.find("alpha_pattern");
    const auto* object = given == nullptr ? nullptr : given->as<JsonObject>();
    if (object == nullptr) return {};
    for (const auto& [name, value] : *object) {
      auto number = value.number();
      bool plain = name.find_first_of("\\^$*+?()[]{}|") == std::string::npos;
      if (!number || !plain)
        in.refuse("alpha_pattern", fmt::format("{} for '{}'", number ? fmt::format("{}", *number) : value.kind(), name),
                  "a number for the end of a module's name");
      else alphas_.emplace_back(name, *number);
    }
    return {};
  }
  double alphaOf(std::string_view module) const {
    for (const auto& [name, alpha] : alphas_) {
      bool ends = module.ends_with(name) && (module.size() == name.size() || module[module.size() - name.size() - 1] == '.');
      if (ends) return alpha;
    }
    return alpha_;
  }

  /// "a.lora_A.weight", "a.lora_A.default.weight", "a.lora_embedding_A", "a.weight.lora_a" -> "a.weight".
  std::optional<Side> sideOf(std::string_view name) const {
    if (!peft()) {
      if (name.ends_with(".lora_a")) return Side{std::string(name.substr(0, name.size() - 7)), false};
      if (name.ends_with(".lora_b")) return Side{std::string(name.substr(0, name.size() - 7)), true};
      return std::nullopt;
    }
    for (std::string_view form : {".lora_A", ".lora_B", ".lora_embedding_A", ".lora_embedding_B"}) {
      size_t at = name.rfind(form);
      if (at == std::string_view::npos) continue;
      std::string_view rest = name.substr(at + form.size());
      bool table = form.find("embedding") != std::string_view::npos;
      if (!table && !rest.ends_with(".weight")) return std::nullopt;
      if (!table) rest.remove_suffix(7);
      bool named = rest.starts_with('.') && rest.find('.', 1) == std::string_view::npos;  // the adapter's own name
      if (!rest.empty() && !named) return std::nullopt;
      return Side{std::string(name.substr(0, at)) + ".weight", form.ends_with('B')};
    }
    return std::nullopt;
  }
  static std::string_view withoutPrefix(std::string_view name) {
    constexpr std::string_view kPrefix = "base_model.model.";
    return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
  }

  Result<void> sort(const FileTensor& tensor) {
    std::string_view name = peft() ? withoutPrefix(tensor.name) : std::string_view(tensor.name);
    auto side = sideOf(name);
    if (!side) {
      bool odd = name.find("lora_") != std::string_view::npos || !peft();
      return odd ? badTensor(tensor, "is no part of an adapter that is read: pairs of A and B are") : replace(tensor, name);
    }
    const FileTensor*& place = side->up ? pairs_[side->target].up : pairs_[side->target].down;
    if (place != nullptr) return badTensor(tensor, fmt::format("is there as '{}' too", escapedShort(place->name)));
    place = &tensor;
    return {};
  }

  /// A weight that was trained whole.
  Result<void> replace(const FileTensor& tensor, std::string_view name) {
    std::string plain(name);
    for (std::string_view between : {".base_layer", ".modules_to_save.default", ".modules_to_save"})
      if (size_t at = plain.find(between); at != std::string::npos) plain.erase(at, between.size());
    std::string own = ownNameOf(source_.architecture->hfWeights, plain);
    if (scale_ != 1) return badTensor(tensor, fmt::format("takes the place of a weight, and a scale of {} leaves no part of it", scale_));
    bool head = own == "output.weight", table = own == "token_embd.weight";
    if (crossing() && !head && !table)
      return badTensor(tensor, "takes the place of a weight that GGUF files may store otherwise: open the model's own folder");
    const ModelConfig& c = source_.config;
    const Weight* there = source_.weights.find(own);
    if (there == nullptr && !head) return badTensor(tensor, "takes the place of a weight that the model does not have");
    if (table && (c.tied || source_.weights.find("output.weight") == nullptr))
      return badTensor(tensor, "takes the place of a table that is the model's head too, and does not say whether it is both");
    std::vector<int64_t> shape = there != nullptr ? there->shape : std::vector<int64_t>{c.vocab, c.width};
    if (tensor.shape != shape)
      return badTensor(tensor, fmt::format("is {}, the model has {}", dimensionsText(tensor.shape), dimensionsText(shape)));
    if (head) source_.config.tied = false;
    source_.weights.put(own, weightOf(tensor));
    replaced_ = true;
    return {};
  }

  Result<void> join(const std::string& target, const Pair& pair) {
    const FileTensor& one = pair.down != nullptr ? *pair.down : *pair.up;
    if (pair.down == nullptr || pair.up == nullptr)
      return badTensor(one, fmt::format("has no {} beside it", pair.down == nullptr ? "A" : "B"));
    std::string own = peft() ? ownNameOf(source_.architecture->hfWeights, target) : target;
    for (std::string_view pattern : source_.architecture->rearranged)
      if (crossing() && matches(pattern, own))
        return badTensor(one, "is of a weight that GGUF files store in another order: open the model's own folder");
    size_t rank = pair.up->shape.size();
    if (rank < 2 || rank > 3 || pair.down->shape.size() != rank || pair.up->elements() == 0 || pair.down->elements() == 0)
      return badTensor(one, fmt::format("and its other half are {} and {}, two matrices are needed, or two stacks of some",
                                        dimensionsText(pair.down->shape), dimensionsText(pair.up->shape)));
    if (int64_t has = pair.up->shape.back(); rank_ != 0 && has != rank_)
      return badTensor(one, fmt::format("is of rank {}, and 'r' of {} is {}", has, escapedShort(files_.configPath()), rank_));
    double r = static_cast<double>(pair.up->shape.back());
    double alpha = alphaOf(std::string_view(target).substr(0, target.size() - std::string_view(".weight").size()));
    double s = alpha == 0 && !peft() ? scale_ : scale_ * alpha / (stabilised_ ? std::sqrt(r) : r);
    LowRank more{files_.path(), weightOf(*pair.down), weightOf(*pair.up), static_cast<float>(s), 0};
    const ModelConfig& c = source_.config;
    if (crossing() && c.rope.pairs == RopePairs::Adjacent && c.rotary)
      more.heads = own.ends_with(".attn_q.weight") ? c.heads : own.ends_with(".attn_k.weight") ? c.keyHeads() : 0;
    source_.weights.addLowRank(own, std::move(more));
    return {};
  }
  static bool matches(std::string_view pattern, std::string_view name) {
    size_t star = pattern.find('*');
    return name.starts_with(pattern.substr(0, star)) && name.ends_with(pattern.substr(star + 1));
  }

  ModelSource& source_;
  const WeightFiles& files_;
  double scale_, alpha_ = 0;
  int64_t rank_ = 0;  ///< of all pairs; 0: each has its own
  bool stabilised_ = false, replaced_ = false;
  std::vector<std::pair<std::string, double>> alphas_;
  std::map<std::string, Pair> pairs_;  ///< by what they are added to
};

}  // namespace

Result<AdapterName> adapterNamed(const std::string& text) {
  struct stat info{};
  size_t colon = text.rfind(':');
  if (colon == std::string::npos || ::stat(text.c_str(), &info) == 0) return AdapterName{text, 1};
  auto scale = parseDouble(text.substr(colon + 1));
  if (!scale || !std::isfinite(*scale))
    return badCommand(fmt::format("--lora {}: '{}' is no number; FILE[:SCALE] is needed", escaped(text), escaped(text.substr(colon + 1))));
  return AdapterName{text.substr(0, colon), *scale};
}

Result<void> addAdapter(ModelSource& source, const AdapterName& name) {
  if (source.files == nullptr)
    return badCommand(fmt::format("--lora {}: '{}' is sizes with random weights", escaped(name.path), escaped(source.config.name)));
  auto files = WeightFiles::openAdapter(name.path);
  if (!files) return files.error();
  auto kept = std::make_shared<const WeightFiles>(std::move(*files));
  if (auto good = AdapterReader(source, *kept, name.scale).read(); !good) return good;
  source.adapters.push_back({kept, name.scale});
  return {};
}

}  // namespace quern
