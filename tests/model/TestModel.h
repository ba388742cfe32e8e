// tests/model/TestModel.h — small models in memory, as every kind of model file, and loaded: what the tests of whole models share.
#pragma once

#include "models/Session.h"
#include "models/files/GgufWriter.h"
#include "tests/Support.h"
#include "tests/tokenizer/Vocabularies.h"

#include <map>
#include <random>

namespace quern {

/// All types in blocks that kernels read.
std::vector<TensorType> blockTypes();

/// One weight. `raw` holds its values as `type` stores them; for f32 it may be empty.
struct TestTensor {
  std::vector<int64_t> shape;  ///< row-major
  std::vector<float> values;
  TensorType type = TensorType::F32;
  std::vector<std::byte> raw;

  /// Rounds the values to what `to` can hold, and keeps them that way.
  void store(TensorType to);
  /// The same values as f32.
  void restore();
};

/// Elements from middle - spread to middle + spread, each one of so many values in even steps: a divisor of 2^32.
TestTensor drawnTensor(std::mt19937& random, std::vector<int64_t> shape, double middle, double spread, uint64_t values = 1 << 16);

/// A decoder by GGUF's names. Rows of q and k stand as config.rope.pairs says.
struct TestModel {
  std::string family = "llama";  ///< general.architecture: llama, qwen2, gpt2
  ModelConfig config;
  std::map<std::string, TestTensor> tensors;
  std::string tokenizer = "";  ///< tokenizer.ggml.model, where it is said

  const TestTensor& at(const std::string& name) const { return tensors.at(name); }
  bool has(const std::string& name) const { return tensors.count(name) != 0; }
  /// Every matrix (the embedding and head too) of two dimensions as `type`.
  void storeMatrices(TensorType type);
  /// The same values, all f32.
  TestModel restored() const;
};

/// Width 64, hidden 96, 2 layers, 4 heads of which 2 have keys, vocabulary 61, context 160.
ModelConfig smallConfig();

/// Uniform weights of variance 1 / depth, gains around 1; an own head unless config.tied; biases of q, k, v where `biased`.
TestModel randomLlama(const ModelConfig& config, uint32_t seed, bool biased = false);
TestModel randomGpt2(const ModelConfig& config, uint32_t seed);

/// The weights of a GGUF file that the program has described, as f32.
TestModel readModel(const std::string& path, const std::string& family);

/// One GGUF file, or as many as `parts`; returns the path of the first.
std::string writeGguf(const TestModel& model, const std::string& folder, int parts = 1);

/// The rows of q or k from adjacent pairs to halves of each head.
TestTensor halvedPairs(const TestTensor& from, int64_t headSize);

/// Tensors that folders of the family have otherwise, by whole names behind "hf:"; the others as they are.
TestModel asInFolders(const TestModel& model);
/// A matrix's rows, or a bias, in the order in which a Hugging Face folder has them, and how it calls a tensor.
TestTensor hfRows(const TestModel& model, const std::string& name, const TestTensor& tensor);
std::string hfNameIn(const TestModel& model, const std::string& name);
/// Each matrix of a stack, or head's gains, by itself, as folders have them: NAME.3.weight.
TestModel unstacked(const TestModel& model);

struct HfOptions {
  std::string architecture = "LlamaForCausalLM";
  int shards = 1;
  bool prefixed = true;  ///< GPT-2: names begin with "transformer."
  std::string more;      ///< further keys of config.json, each with a comma in front
};

/// A folder as Hugging Face has it: q and k permuted to half pairs, GPT-2's linears [in,out]. Returns its path.
std::string writeHf(const TestModel& model, const std::string& folder, const HfOptions& options = {});

/// Kernels of one target, made once for all cases of a program.
KernelLibrary& kernelsOf(const Target& target);

std::unique_ptr<Session> loadedModel(const std::string& path, const ModelOptions& options = {}, const Target& target = hostTarget());

/// Logits of every id, [ids, vocab].
std::vector<float> allLogits(Session& model, std::span<const int32_t> ids, int64_t past = 0);

std::vector<int32_t> randomIds(size_t count, int64_t vocab, uint32_t seed);

/// "" where both have the same bits, else where and by how much they differ first.
std::string bitDifference(std::span<const float> a, std::span<const float> b);

/// The greedy continuation of a prompt, one forward per token.
std::vector<int32_t> greedyIds(Session& model, std::vector<int32_t> prompt, size_t count);

}  // namespace quern
