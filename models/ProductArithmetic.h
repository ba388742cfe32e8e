// models/ProductArithmetic.h — what a model's products compute in, weight type by weight type, for people and programs to read.
#pragma once

#include "compiler/target/Target.h"
#include "models/ModelSource.h"

#include <optional>
#include <string>
#include <vector>

namespace quern {

/// Products with weights of one type: as `quern ops` spells the keys of a matmul (op/MatmulOp.h).
struct ProductArithmetic {
  std::string weights;  ///< w=, the type that kernels read
  std::string a;        ///< a=; f32: as they are
  std::string order;    ///< order=, where a= has one
  OpDesc example;       ///< one such product

  bool rounds() const { return a != "f32"; }
};
/// "q8_0 a=q8".
std::string text(const ProductArithmetic& one);
/// "bf16 a=bf16 order=pairs, f32 a=f32".
std::string text(const std::vector<ProductArithmetic>& all);

/// One for each type among the weights of the model's products, in the order of ElementType; `source` says the arithmetic.
/// Errors   as workloadOf.
Result<std::vector<ProductArithmetic>> productsOf(const ModelSource& source);

/// Is any operand of a product rounded?
bool anyRounds(const std::vector<ProductArithmetic>& all);

/// `fast` where some of its products are rounded and that makes each such product quicker (roundingServes), else `exact`: what a model is
/// computed in where nobody says. `fast`: as productsOf says with Compute::Fast.
Compute usualCompute(const std::vector<ProductArithmetic>& fast, const Target& target);

/// What somebody asks a model's products to be computed in; named as the flags of `quern generate` that say it.
struct AskedArithmetic {
  std::optional<Compute> compute;  ///< none: as the weights and the CPU have it
  std::string order;               ///< "tile32" or "pairs"; "": as the CPU has it
};
/// From the words of --compute and --order (""). Errors: BadCommand.
Result<AskedArithmetic> askedArithmetic(const std::optional<std::string>& compute, const std::string& order);
/// Has `source` computed so on `target`. Returns what whoever asked for rounding should know: that some, or all, products stay exact; "".
/// Errors   BadCommand: an order where nothing is rounded.
Result<std::string> computeAs(const AskedArithmetic& asked, const Target& target, ModelSource& source);

/// Errors   BadInput: `target` cannot compute one of them; why.
Result<void> computableOn(const std::vector<ProductArithmetic>& all, const Target& target);

}  // namespace quern
