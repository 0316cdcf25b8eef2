#include "runtime/program/fusion.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "runtime/program/ops.hpp"

namespace troupe {
namespace {

using Ops = std::vector<Op>;

/// Do ops of these kinds stand here, one after the other?
bool matches(const Ops& ops, std::size_t at, std::initializer_list<const OpKind*> kinds) {
  if (ops.size() - at < kinds.size()) return false;
  return std::all_of(kinds.begin(), kinds.end(), [&](const OpKind* kind) { return ops[at++].kind == kind; });
}

/// Is `id` read by the op at `at` and by no other after it, before it is written again?
bool last_read_at(const Ops& ops, std::size_t at, ValueId id) {
  const auto names = [&](const std::vector<ValueId>& ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  if (!names(ops[at].in)) return false;
  return std::none_of(ops.begin() + static_cast<std::ptrdiff_t>(at) + 1, ops.end(),
                      [&](const Op& op) { return names(op.in); });
}

/// Does the op at `at` hand its one result to the next op's first input, and to nobody else?
bool feeds_next(const Ops& ops, std::size_t at) {
  return ops[at].out[0] == ops[at + 1].in[0] && last_read_at(ops, at + 1, ops[at].out[0]);
}

/// Replaces the `count` ops at `at` by one.
void replace(Ops& ops, std::size_t at, std::size_t count, Op op) {
  const auto first = ops.begin() + static_cast<std::ptrdiff_t>(at);
  *first = std::move(op);
  ops.erase(first + 1, first + static_cast<std::ptrdiff_t>(count));
}

bool norm_quantize(Ops& ops, std::size_t at) {
  if (!matches(ops, at, {&ops::rms_norm, &ops::quantize}) || !feeds_next(ops, at)) return false;
  Op fused = ops[at];
  fused.kind = &ops::norm_quantize;
  fused.out = ops[at + 1].out;
  replace(ops, at, 2, fused);
  return true;
}

bool one_product(Ops& ops, std::size_t at) {
  if (!matches(ops, at, {&ops::matmul, &ops::matmul}) || ops[at].in != ops[at + 1].in) return false;
  Op fused = ops[at];
  fused.out.insert(fused.out.end(), ops[at + 1].out.begin(), ops[at + 1].out.end());
  fused.weights.insert(fused.weights.end(), ops[at + 1].weights.begin(), ops[at + 1].weights.end());
  replace(ops, at, 2, fused);
  return true;
}

bool gate(Ops& ops, std::size_t at) {
  const bool silu = matches(ops, at, {&ops::matmul, &ops::silu_mul, &ops::quantize});
  const bool gelu = matches(ops, at, {&ops::matmul, &ops::gelu_mul, &ops::quantize});
  if ((!silu && !gelu) || ops[at].out != ops[at + 1].in || ops[at + 1].out != ops[at + 2].in) return false;
  for (const ValueId product : ops[at].out) {
    if (!last_read_at(ops, at + 1, product)) return false;
  }
  if (!last_read_at(ops, at + 2, ops[at + 1].out[0])) return false;
  Op fused = ops[at];
  fused.kind = silu ? &ops::silu_gate : &ops::gelu_gate;
  fused.out = ops[at + 2].out;
  replace(ops, at, 3, fused);
  return true;
}

bool rope_append(Ops& ops, std::size_t at) {
  if (!matches(ops, at, {&ops::rope, &ops::rope, &ops::kv_append})) return false;
  const Op &q = ops[at], &k = ops[at + 1], &append = ops[at + 2];
  if (q.rope != k.rope || k.in[0] != append.in[0]) return false;
  Op fused = append;
  fused.kind = &ops::rope_append;
  fused.in = {q.in[0], append.in[0], append.in[1]};
  fused.out = {q.in[0]};
  fused.rope = q.rope;
  replace(ops, at, 3, fused);
  return true;
}

bool attention(Ops& ops, std::size_t at) {
  if (!matches(ops, at, {&ops::attention_scores, &ops::attention_softmax, &ops::attention_values})) return false;
  if (ops[at].out[0] != ops[at + 1].in[1] || ops[at + 1].out[0] != ops[at + 2].in[1]) return false;
  Op fused = ops[at];
  fused.kind = &ops::attention;
  fused.out = ops[at + 2].out;
  replace(ops, at, 3, fused);
  return true;
}

bool attention_quantize(Ops& ops, std::size_t at) {
  if (!matches(ops, at, {&ops::attention, &ops::quantize}) || !feeds_next(ops, at)) return false;
  Op fused = ops[at];
  fused.kind = &ops::attention_quantize;
  fused.out = {ops[at + 1].out[0], ops[at].out[0]};
  replace(ops, at, 2, fused);
  return true;
}

bool matmul_leaves(Ops& ops, std::size_t at) {
  if (!matches(ops, at, {&ops::matmul_partial, &ops::from_fixed}) || !feeds_next(ops, at)) return false;
  Op fused = ops[at];
  fused.kind = &ops::matmul_leaves;
  fused.out = ops[at + 1].out;
  replace(ops, at, 2, fused);
  return true;
}

/// [all_reduce, from_fixed,] [rms_norm,] add
bool residual(Ops& ops, std::size_t at) {
  const bool reduced = matches(ops, at, {&ops::all_reduce, &ops::from_fixed});
  const std::size_t sum = reduced ? at + 2 : at;  // the op that reads the sum
  if (reduced && (sum == ops.size() || ops[at].out != ops[at + 1].in || !feeds_next(ops, at + 1))) return false;
  const bool normed = matches(ops, sum, {&ops::rms_norm, &ops::add}) && feeds_next(ops, sum);
  if (!normed && !matches(ops, sum, {&ops::add})) return false;
  const std::size_t last = normed ? sum + 1 : sum;
  Op fused = ops[last];
  fused.kind = &ops::residual;
  fused.norm_first = normed;
  if (normed) {
    fused.weights = ops[sum].weights;
    fused.number = ops[sum].number;
  }
  fused.in = {ops[reduced ? at : sum].in[0], ops[last].in[1]};
  replace(ops, at, last + 1 - at, fused);
  return true;
}

bool residual_norm(Ops& ops, std::size_t at) {
  if (!matches(ops, at, {&ops::residual, &ops::norm_quantize}) || ops[at].in[1] != ops[at + 1].in[0]) return false;
  Op fused = ops[at];
  fused.out = {ops[at].in[1], ops[at + 1].out[0]};
  fused.weights.push_back(ops[at + 1].weights[0]);
  fused.number = ops[at + 1].number;
  replace(ops, at, 2, fused);
  return true;
}

constexpr std::array rules{
    FusionRule{"norm + quantise", norm_quantize},
    FusionRule{"products of one input as one", one_product},
    FusionRule{"gate and up, activation, quantise", gate},
    FusionRule{"rotary embedding + KV append", rope_append},
    FusionRule{"attention in one pass", attention},
    FusionRule{"attention + quantise", attention_quantize},
    FusionRule{"leaves of one rank", matmul_leaves},
    FusionRule{"all-reduce + norm + residual", residual},
    FusionRule{"residual + norm + quantise", residual_norm},
};

}  // namespace

std::span<const FusionRule> fusion_rules() { return rules; }

void fuse(Program& program) {
  for (const FusionRule& rule : rules) {
    for (auto* ops : {&program.body, &program.tail}) {
      for (std::size_t at = 0; at < ops->size(); ++at) {
        while (rule.apply(*ops, at)) {
        }
      }
    }
  }
}

}  // namespace troupe
