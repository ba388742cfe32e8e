// tests/model/SortTest.cpp — a GPT-2 that others trained to sort three letters: our logits against an independent forward, and against
// theirs.
#include "models/files/Json.h"
#include "models/files/WeightValues.h"
#include "tests/model/ReferenceDecoder.h"

#include <cmath>

using namespace quern;

namespace {

constexpr const char* kSort = "models/nanogpt-sort";

/// A name of the folder as GGUF has it.
std::string ourName(std::string name) {
  static constexpr std::pair<std::string_view, std::string_view> kParts[] = {
      {"transformer.", ""},          {"lm_head.", "output."},
      {"wte.", "token_embd."},       {"wpe.", "position_embd."},
      {"ln_f.", "output_norm."},     {"h.", "blk."},
      {"ln_1.", "attn_norm."},       {"ln_2.", "ffn_norm."},
      {"attn.c_attn.", "attn_qkv."}, {"attn.c_proj.", "attn_output."},
      {"mlp.c_fc.", "ffn_up."},      {"mlp.c_proj.", "ffn_down."}};
  for (const auto& [theirs, ours] : kParts)
    for (size_t at = name.find(theirs); at != std::string::npos; at = std::string::npos)
      if (at == 0 || name[at - 1] == '.') name.replace(at, theirs.size(), ours);
  return name;
}

/// The carried weights, linears turned to [out,in].
TestModel carried(const ModelSource& source) {
  TestModel model{"gpt2", source.config, {}};
  for (const FileTensor& from : source.files->tensors()) {
    std::string name = ourName(from.name);
    std::vector<float> values(static_cast<size_t>(from.elements()));
    REQUIRE(toFloats(from.type, from.data, from.elements(), values.data()));
    TestTensor tensor{from.shape, values, TensorType::F32, {}};
    if (name.starts_with("blk.") && from.shape.size() == 2) {
      auto rows = static_cast<size_t>(from.shape[0]), columns = static_cast<size_t>(from.shape[1]);
      tensor.shape = {from.shape[1], from.shape[0]};
      for (size_t r = 0; r < rows; ++r)
        for (size_t c = 0; c < columns; ++c) tensor.values[c * rows + r] = values[r * columns + c];
    }
    model.tensors[name] = std::move(tensor);
  }
  return model;
}

const JsonArray& list(const JsonValue& value) {
  const auto* all = value.as<JsonArray>();
  REQUIRE(all != nullptr);
  return *all;
}

const JsonArray& list(const JsonValue& object, const char* key) {
  INFO(key);
  REQUIRE(object.find(key) != nullptr);
  return list(*object.find(key));
}

std::vector<int32_t> idsOf(const JsonValue& row) {
  std::vector<int32_t> ids;
  for (const JsonValue& each : list(row)) ids.push_back(static_cast<int32_t>(each.integer().value()));
  return ids;
}

}  // namespace

TEST_CASE("nanogpt-sort: logits are those of an independent forward of the carried weights, and the published ones where these are whole",
          "[sort]") {
  if (!hasShared(kSort)) return;
  std::string path = sharedFile(kSort) + "/expected.json";
  const JsonValue expected = need(parseJson({need(readFile(path)), path}));
  const JsonArray &inputs = list(expected, "input_ids"), &published = list(expected, "logits");
  REQUIRE(inputs.size() == 3);
  REQUIRE(published.size() == inputs.size());
  double limit = expected.find("max_abs_error")->number().value();
  for (const Target& target : runnableLevels()) {
    INFO(target.name);
    std::unique_ptr<Session> model = loadedModel(sharedFile(kSort), {}, target);
    TestModel weights = carried(model->model().source());
    bool whole = weights.has("blk.0.attn_qkv.bias");
    if (!whole && target == runnableLevels().front())
      WARN(
          "skipped: comparison with expected.json: the folder lacks the original's attn.c_attn.bias tensors, without which logits are off "
          "by 0.02 to 0.8; the likeliest letters are compared");
    for (size_t i = 0; i < inputs.size(); ++i) {
      INFO("input " << i);
      std::vector<int32_t> ids = idsOf(inputs[i]);
      std::vector<float> logits = allLogits(*model, ids);
      std::vector<std::vector<double>> reference = referenceLogits(weights, ids);
      double worst = 0, off = 0;
      size_t otherLetters = 0;
      for (size_t t = 0; t < ids.size(); ++t) {
        std::span<const float> ours = std::span(logits).subspan(t * 3, 3);
        std::vector<double> theirs;
        for (const JsonValue& each : list(list(published[i])[t])) theirs.push_back(each.number().value());
        REQUIRE(theirs.size() == 3);
        for (size_t v = 0; v < 3; ++v) {
          worst = std::max(worst, std::isnan(ours[v]) ? INFINITY : std::fabs(ours[v] - reference[t][v]));
          off = std::max(off, std::fabs(ours[v] - theirs[v]));
        }
        otherLetters +=
            std::max_element(ours.begin(), ours.end()) - ours.begin() != std::max_element(theirs.begin(), theirs.end()) - theirs.begin();
      }
      CHECK(worst < 1e-4);
      CHECK(otherLetters == 0);
      if (whole) CHECK(off <= limit);
    }
  }
}
