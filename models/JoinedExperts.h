// models/JoinedExperts.h — experts of folders that keep gate and up in one tensor, row by row in turn, as weights that kernels read.
#pragma once

#include "models/Weights.h"

namespace quern {

/// Puts weights in place of what `files` has of each NAME that ends in "mlp.experts":
///
///   NAME.gate_proj.weight, NAME.up_proj.weight [experts,hidden,width]   of NAME.gate_up_proj, rows 0, 2, 4 .. and 1, 3, 5 ..
///   NAME.down_proj.weight [experts,width,hidden]                        of NAME.down_proj
///   NAME.gate_proj.bias, NAME.up_proj.bias [experts,hidden]             of NAME.gate_up_proj_bias
///
/// Layout   of a product's weight either NAME.P_blocks u8 [experts, rows, in / 32, 16] with NAME.P_scales u8 [experts, rows, in / 32],
///          elements 2i and 2i + 1 of a block in the low and high half of its byte i, or NAME.P [experts, in, rows] of f32, f16 or bf16.
/// Numeric  exact: blocks and scales are those of mxfp4 in another order, numbers keep their type.
/// Errors   BadInput naming the tensor: a part that is missing, of another type or shape, or an odd number of rows.
/// Cost     nothing of the weights is read before they are packed.
Result<void> joinExperts(const WeightFiles& files, Weights& weights);

}  // namespace quern
