// tests/model/FolderTensors.cpp — tensors that folders of some families keep otherwise; TestModelFiles.cpp writes them.
#include "tests/model/TestModel.h"

namespace quern {

static std::string hfLayer(int64_t layer, const char* rest) { return fmt::format("hf:model.layers.{}.{}", layer, rest); }

/// Rows of gate and up, of each expert of a stack, one below the other; nothing where they are missing.
static void fuse(TestModel& model, const std::string& gate, const std::string& up, const std::string& into) {
  if (!model.has(gate)) return;
  TestTensor first = model.at(gate), second = model.at(up), all = first;
  all.values.clear();
  size_t rows = all.shape.size() - 2;
  all.shape[rows] *= 2;
  auto each = static_cast<std::ptrdiff_t>(first.shape[rows] * first.shape[rows + 1]);
  for (auto a = first.values.begin(), b = second.values.begin(); a < first.values.end(); a += each, b += each) {
    all.values.insert(all.values.end(), a, a + each);
    all.values.insert(all.values.end(), b, b + each);
  }
  model.tensors.erase(gate), model.tensors.erase(up);
  model.tensors[into] = all;
}

/// As Granite's folders have them.
static TestModel expertsFused(const TestModel& model) {
  TestModel out = model;
  for (int64_t i = 0; i < model.config.layers; ++i) {
    std::string blk = fmt::format("blk.{}.ffn_", i);
    fuse(out, blk + "gate_exps.weight", blk + "up_exps.weight", hfLayer(i, "block_sparse_moe.input_linear.weight"));
    fuse(out, blk + "gate_shexp.weight", blk + "up_shexp.weight", hfLayer(i, "shared_mlp.input_linear.weight"));
    out.tensors[hfLayer(i, "block_sparse_moe.output_linear.weight")] = model.at(blk + "down_exps.weight");
    out.tensors.erase(blk + "down_exps.weight");
  }
  return out;
}

/// As gpt-oss's folders have experts: rows of gate and up in turn; blocks and scales apart, or [experts, in, rows].
static TestModel expertsInTurn(const TestModel& model) {
  TestModel out = model;
  for (const auto& [name, tensor] : model.tensors)
    if (name.ends_with("attn_sinks.weight"))
      out.tensors[hfLayer(std::stoll(name.substr(4)), "self_attn.sinks")] = tensor, out.tensors.erase(name);
  auto join = [&](int64_t layer, const char* into, const std::vector<std::string>& from) {
    const TestTensor& first = model.at(from[0] + ".weight");
    int64_t experts = first.shape[0], own = first.shape[1], in = first.shape[2], parts = static_cast<int64_t>(from.size()),
            rows = own * parts;
    bool blocks = first.type == TensorType::MXFP4;
    auto at = [](int64_t i) { return static_cast<size_t>(i); };
    TestTensor values{{experts, in, rows}, {}, TensorType::F32, {}}, codes{{experts, rows, in / 32, 16}, {}, TensorType::U8, {}};
    TestTensor scales{{experts, rows, in / 32}, {}, TensorType::U8, {}}, biases{{experts, rows}, {}, TensorType::F32, {}};
    values.values.resize(at(experts * rows * in));
    for (int64_t e = 0; e < experts; ++e)
      for (int64_t r = 0; r < rows; ++r) {
        std::string name = from[at(r % parts)];
        const TestTensor& source = model.at(name + ".weight");
        int64_t row = e * own + r / parts;
        if (model.has(name + ".bias")) biases.values.push_back(model.at(name + ".bias").values[at(row)]);
        for (int64_t k = 0; k < in; ++k) values.values[at((e * in + k) * rows + r)] = source.values[at(row * in + k)];
        for (int64_t block = row * in / 32; blocks && block < (row + 1) * in / 32; ++block) {
          const std::byte* from17 = source.raw.data() + block * 17;
          scales.raw.push_back(from17[0]);
          auto code = [&](int i) { return (from17[1 + i % 16] >> (i < 16 ? 0 : 4)) & std::byte{15}; };
          for (int i = 0; i < 32; i += 2) codes.raw.push_back(code(i) | code(i + 1) << 4);
        }
      }
    if (!blocks) values.store(first.type);
    std::string name = hfLayer(layer, "mlp.experts.") + into;
    if (blocks) out.tensors[name + "_blocks"] = codes, out.tensors[name + "_scales"] = scales;
    else out.tensors[name] = values;
    if (!biases.values.empty()) out.tensors[name + "_bias"] = biases;
    for (const std::string& each : from) out.tensors.erase(each + ".weight"), out.tensors.erase(each + ".bias");
  };
  for (int64_t i = 0; i < model.config.layers; ++i) {
    std::string blk = fmt::format("blk.{}.ffn_", i);
    join(i, "gate_up_proj", {blk + "gate_exps", blk + "up_exps"});
    join(i, "down_proj", {blk + "down_exps"});
  }
  return out;
}

TestModel asInFolders(const TestModel& model) {
  if (model.family == "gpt-oss") return expertsInTurn(model);
  if (model.family == "granitemoe") return expertsFused(model);
  TestModel out = model;
  for (int64_t i = 0; i < model.config.layers && model.family == "openelm"; ++i)
    fuse(out, fmt::format("blk.{}.ffn_gate.weight", i), fmt::format("blk.{}.ffn_up.weight", i),
         fmt::format("hf:transformer.layers.{}.ffn.proj_1.weight", i));
  for (int64_t i = 0; i < model.config.layers && model.family == "deci"; ++i)
    if (LayerConfig own = model.config.layer(i); own.heads > 0 && own.kvHeads == 0) {
      auto alone = out.tensors.extract(fmt::format("blk.{}.attn_output.weight", i));
      alone.key() = hfLayer(i, "self_attn.linear_attn.weight");
      out.tensors.insert(std::move(alone));
    }
  return out;
}

}  // namespace quern
