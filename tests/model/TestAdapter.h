// tests/model/TestAdapter.h — random adapters of small models, as PEFT's folder and as GGUF, and the weights that they make.
#pragma once

#include "tests/model/TestModel.h"

namespace quern {

/// By the model's names: A [r,in] and B [out,r], or stacks of them.
struct TestAdapter {
  struct Pair {
    TestTensor down, up;
  };
  std::map<std::string, Pair> pairs;
  double alpha = 8;
  int64_t said = 0;  ///< PEFT's rank of all, whatever they have; 0: what they have
};

/// For each matrix and stack of `model` whose name `wanted` takes; ranks are 2 to 4. Of a table A is [r,vocab].
TestAdapter randomAdapter(const TestModel& model, uint32_t seed, const std::function<bool(const std::string& name)>& wanted);

/// The model whose weights are W + scale alpha / r B A. A head that is the table stays as it was.
TestModel merged(const TestModel& model, const TestAdapter& adapter, double scale = 1);

/// GGUF as llama.cpp's converter writes it; returns the path.
std::string writeGgufAdapter(const TestModel& model, const TestAdapter& adapter, const std::string& folder);
/// adapter_config.json and adapter_model.safetensors; returns the folder. `more`: further keys, each with a comma in front.
std::string writePeft(const TestModel& model, const TestAdapter& adapter, const std::string& folder, const std::string& more = "");

}  // namespace quern
