// tests/fuzz/FuzzModel.cpp — any bytes as a model's files: refused in plain words, or its graph can be written and its weights made. Built
// by run. The bytes are a GGUF file, or a folder's config.json, modules.json, 1_Pooling/config.json and model.safetensors' header, each but
// the first behind a line of dashes, then what its tensors hold, again and again.
#include "models/IntegerGroups.h"
#include "models/Model.h"
#include "tests/fuzz/FuzzFolder.h"
#include "tests/fuzz/FuzzKernels.h"
#include "tests/fuzz/FuzzSupport.h"
#include "tests/fuzz/FuzzTensors.h"

using namespace quern;

/// What is before the next line of dashes is cut off `rest`.
static std::string_view part(std::string_view& rest) {
  size_t end = rest.find("\n---\n");
  std::string_view out = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 5);
  return out;
}

/// Weights of integers in groups are made, by the names that files have.
static void makeGroups(const WeightFiles& files) {
  if (files.config() == nullptr) return;
  auto groups = integerGroupsOf(files.configPath(), *files.config());
  checkAnswer(groups);
  if (!groups || !*groups) return;
  Weights weights = Weights::ofFiles(files, {}, {});
  auto joined = joinIntegerGroups(files, **groups, weights);
  checkAnswer(joined);
  for (const FileTensor& tensor : files.tensors()) {
    std::string name = tensor.name;
    if (!joined || !name.ends_with(".qweight") || tensor.shape.size() != 2) continue;
    int64_t rows = tensor.shape[1] * ((*groups)->awq ? 8 : 1), columns = tensor.shape[0] * ((*groups)->awq ? 1 : 8);
    auto weight = weights.take(name.replace(name.size() - 7, 7, "weight"), std::array{rows, columns});
    if (!weight || (*weight)->made == nullptr) continue;  // another tensor has the name
    std::vector<std::byte> made(static_cast<size_t>((*weight)->bytes));
    (*weight)->made->put(0, rows, made.data());
    std::vector<float> values(static_cast<size_t>(rows * columns));
    QUERN_CHECK_FOR(static_cast<bool>(toFloats((*weight)->type, made.data(), rows * columns, values.data())), name);
  }
}

/// A message begins with the file that it is about.
static void checkNamed(const Error& error, const std::string& path) {
  checkMessage(error);
  QUERN_CHECK_FOR(error.message.starts_with(path), error.message);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const FuzzFolder folder;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::string path = folder.path();
  if (rest.starts_with("GGUF")) {
    path = folder.put("x.gguf", rest);
  } else {
    for (const char* name : {"config.json", "modules.json", "1_Pooling/config.json"}) folder.put(name, part(rest));
    std::string_view header = part(rest);
    folder.put("model.safetensors", safetensors(header, rest));
  }
  auto source = openModelFiles(path);
  if (!source) return checkNamed(source.error(), path), 0;
  makeGroups(*source->files);
  auto good = checkModel(*source);
  if (!good) return checkNamed(good.error(), path), 0;
  auto model = Model::load(std::move(*source), describedKernel, {.threads = 1});
  if (!model) checkNamed(model.error(), path);
  return 0;
}
