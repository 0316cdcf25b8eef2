#pragma once

#include "runtime/program/program.hpp"

namespace troupe::ops {

// The plain ops that the builder writes.
extern const OpKind embed;              ///< -> hidden
extern const OpKind rms_norm;           ///< x -> y; weights: scale
extern const OpKind head_norm;          ///< x -> y, each head by itself; weights: scale
extern const OpKind quantize;           ///< x -> q8
extern const OpKind matmul;             ///< q8 -> out...; a matrix for each out
extern const OpKind matmul_partial;     ///< q8 -> fixed: this rank's leaves
extern const OpKind all_reduce;         ///< fixed, in place
extern const OpKind from_fixed;         ///< fixed -> f32
extern const OpKind rope;               ///< x, in place
extern const OpKind kv_append;          ///< k, v -> the cache
extern const OpKind attention_scores;   ///< q -> scores
extern const OpKind attention_softmax;  ///< scores, in place -> maxima, sums
extern const OpKind attention_values;   ///< q, scores, maxima, sums -> out
extern const OpKind silu_mul;           ///< gate, up -> y
extern const OpKind gelu_mul;
extern const OpKind add;          ///< y, into
extern const OpKind gather_rows;  ///< hidden -> the rows whose logits are wanted (tail)
extern const OpKind all_gather;   ///< this rank's logits -> logits, at the first rank (tail)

// The fused ones that the rules make of them.
extern const OpKind norm_quantize;  ///< x -> q8
extern const OpKind matmul_leaves;  ///< q8 -> f32: matmul_partial + from_fixed where one rank has every leaf
extern const OpKind rope_append;    ///< q, k, v: both rotations and the append
extern const OpKind attention;      ///< q -> out, in one pass
extern const OpKind attention_quantize;
extern const OpKind silu_gate;  ///< q8 -> q8: gate, up, activation and quantisation by tiles
extern const OpKind gelu_gate;
extern const OpKind residual;  ///< y (f32 or fixed), into -> [q8]: [all-reduce,] [norm,] add [, norm, quantise]

}  // namespace troupe::ops
