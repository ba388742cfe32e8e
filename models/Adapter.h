// models/Adapter.h — LoRA adapters: files of few numbers that lie beside a model and turn it into another.
#pragma once

#include "models/ModelSource.h"

namespace quern {

/// An adapter as people ask for it, FILE[:SCALE].
struct AdapterName {
  std::string path;
  double scale = 1;  ///< of all that it adds, beside its own
};
/// "poems.gguf", "poems/:0.5". What is there by the whole text is that. Errors: BadCommand: a scale that is no finite number.
Result<AdapterName> adapterNamed(const std::string& text);

/// Puts an adapter on top of a described model: each weight W that it names becomes W + s B A, s = scale alpha / r, or with rank-stabilised
/// ones scale alpha / sqrt(r). Weights stay as they are; s B (A x) is computed beside W x, in f32 where A and B are f32 or f16, and as
/// products of that type are where they are bf16. Several adapters add up. Weights that training saved whole take the place of the model's.
///
/// Formats  PEFT's folder (names and weights as Hugging Face stores them), for a folder or a GGUF file; GGUF as llama.cpp's
///          converter writes it, for a GGUF file.
/// Errors   BadInput naming file, tensor or key: of another method (DoRA, ...), of another architecture, weights made with another base
///          (PiSSA, ...), a pair that lacks its half, a key that could change the result. What the model has no weight for is found when it
///          is built (Weights::checkAllUsed), as are other shapes.
/// Ownership  `source` keeps the files mapped.
Result<void> addAdapter(ModelSource& source, const AdapterName& name);

}  // namespace quern
