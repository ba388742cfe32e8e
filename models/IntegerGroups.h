// models/IntegerGroups.h — linears that GPTQ and AWQ folders have in groups of integers of four bits, as weights that kernels read.
#pragma once

#include "models/Weights.h"

namespace quern {

/// How a folder's `quantization_config` says that its linears lie.
struct IntegerGroups {
  bool awq = false;   ///< AWQ's "gemm": eight columns in a word, 0 2 4 6 1 3 5 7; else GPTQ's: eight neighbours along k
  int64_t group = 0;  ///< neighbours along k with one scale and one zero, a multiple of 32; 0: all
  int more = 0;       ///< zeros are stored so much too small (GPTQ)
};

/// nullopt where config.json says nothing of such, or MXFP4, whose blocks are said by their tensors (JoinedExperts.h).
/// Errors   BadInput naming the key: another method, other bits, groups or layouts than these, a key that could change the result.
Result<std::optional<IntegerGroups>> integerGroupsOf(const std::string& file, const JsonValue& root);

/// Puts one weight in place of each NAME.qweight, NAME.qzeros, NAME.scales and NAME.g_idx of `files`: NAME.weight, [out,in].
///
/// Layout   GPTQ: qweight i32 [in / 8, out], the code of k in bits 4 (k % 8); AWQ: i32 [in, out / 8]; both: qzeros i32 [groups, out / 8],
///          scales [groups, out]; g_idx i32 [in], which must be k / group.
/// Numeric  the value is scale (code - zero), exactly: q4_0 where every zero is 8, else q5_0, which holds -16 .. 15. Scales of bf16 and
///          f32 must be halves.
/// Errors   BadInput naming the tensor: missing, of another type or shape, a scale that is no half, groups in another order (desc_act).
/// Cost     zeros and scales are read; codes when the weight is packed.
Result<void> joinIntegerGroups(const WeightFiles& files, const IntegerGroups& groups, Weights& weights);

}  // namespace quern
