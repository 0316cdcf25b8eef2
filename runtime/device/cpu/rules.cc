#include "runtime/device/cpu/rules.hpp"

#include "kernels/activation.hpp"

namespace troupe {
namespace {

bool norm_quantize(FusionSite& site) {
  const auto [norm, quantize] = site.match<ops::RmsNorm, ops::Quantize>();
  if (norm == nullptr || norm->y != quantize->x || !site.inner(2, norm->y)) return false;
  site.replace(2, ops::NormQuantize{norm->x, norm->scale, quantize->y, norm->epsilon});
  return true;
}

bool one_product(FusionSite& site) {
  const auto [first, second] = site.match<ops::Matmul, ops::Matmul>();
  if (first == nullptr || first->x != second->x) return false;
  ops::Matmul both = *first;
  both.products.insert(both.products.end(), second->products.begin(), second->products.end());
  site.replace(2, std::move(both));
  return true;
}

template <class Mul, class Gate>
bool gate_of(FusionSite& site) {
  const auto [matmul, mul, quantize] = site.match<ops::Matmul, Mul, ops::Quantize>();
  if (matmul == nullptr || matmul->products.size() != 2 || mul->y != quantize->x) return false;
  const ops::Product &gate = matmul->products[0], &up = matmul->products[1];
  if (gate.y != mul->gate || up.y != mul->up) return false;
  for (const ValueId id : {gate.y, up.y, mul->y}) {
    if (!site.inner(3, id)) return false;
  }
  site.replace(3, Gate{matmul->x, gate.weight, up.weight, quantize->y});
  return true;
}

bool gate(FusionSite& site) {
  return gate_of<ops::SiluMul, ops::SiluGate>(site) || gate_of<ops::GeluMul, ops::GeluGate>(site);
}

/// Nothing is lost: what is rotated may be read elsewhere.
bool rope_append(FusionSite& site) {
  const auto [q, k, append] = site.match<ops::Rope, ops::Rope, ops::KvAppend>();
  if (q == nullptr || k->x != append->k) return false;
  site.replace(3, ops::RopeAppend{*q, *k, *append});
  return true;
}

bool attention(FusionSite& site) {
  const auto [scores, softmax, values] =
      site.match<ops::AttentionScores, ops::AttentionSoftmax, ops::AttentionValues>();
  if (scores == nullptr || scores->scores != softmax->scores || softmax->scores != values->scores ||
      softmax->maxima != values->maxima || softmax->sums != values->sums) {
    return false;
  }
  for (const ValueId id : {values->scores, values->maxima, values->sums}) {
    if (!site.inner(3, id)) return false;
  }
  site.replace(3, ops::Attention{scores->q, values->y, scores->shape});
  return true;
}

/// Nothing is lost: what is quantised may be read elsewhere. Head by head, so that each must be whole blocks.
bool attention_quantize(FusionSite& site) {
  const auto [attention, quantize] = site.match<ops::Attention, ops::Quantize>();
  if (attention == nullptr || attention->y != quantize->x) return false;
  if (attention->shape.head_dim % kernels::block_columns != 0) return false;
  site.replace(2, ops::AttentionQuantize{attention->q, attention->y, quantize->y, attention->shape});
  return true;
}

bool matmul_leaves(FusionSite& site) {
  const auto [partial, from_fixed] = site.match<ops::MatmulPartial, ops::FromFixed>();
  if (partial == nullptr || partial->partial != from_fixed->fixed || !site.inner(2, partial->partial)) return false;
  site.replace(2, ops::MatmulLeaves{partial->x, partial->weight, from_fixed->y});
  return true;
}

/// [reduce_rows, await, from_fixed,] [rms_norm,] add
bool residual(FusionSite& site) {
  const auto [reduce, await, from_fixed] = site.match<ops::ReduceRows, ops::Await, ops::FromFixed>();
  const std::size_t before = reduce == nullptr ? 0 : 3;
  const auto [norm, normed_add] = site.match<ops::RmsNorm, ops::Add>(before);
  const auto [plain_add] = site.match<ops::Add>(before);
  const ops::Add* const add = norm == nullptr ? plain_add : normed_add;
  if (add == nullptr) return false;
  const std::size_t count = before + (norm == nullptr ? 1 : 2);
  const ValueId sum = norm == nullptr ? add->y : norm->x;  // as a float

  ops::Residual fused{sum, add->into};
  if (norm != nullptr) {
    if (norm->y != add->y || !site.inner(count, norm->y)) return false;
    fused.norm = {norm->scale, norm->epsilon};
  }
  if (reduce != nullptr) {
    if (await->done != reduce->done || reduce->sum != from_fixed->fixed) return false;
    if (from_fixed->y != sum || !site.inner(count, sum)) return false;
    fused.y = reduce->sum;
    fused.group = reduce->group;
  }
  site.replace(count, fused);
  return true;
}

/// Nothing is lost: the sum that is normed stays.
bool residual_norm(FusionSite& site) {
  const auto [residual, next] = site.match<ops::Residual, ops::NormQuantize>();
  if (residual == nullptr || residual->next || residual->into != next->x) return false;
  ops::Residual fused = *residual;
  fused.next = {.norm = {next->scale, next->epsilon}, .q8 = next->y};
  site.replace(2, fused);
  return true;
}

bool residual_gather(FusionSite& site) {
  const auto [residual, gather, await] = site.match<ops::Residual, ops::GatherParts, ops::Await>();
  if (residual == nullptr || residual->group != gather->group || await->done != gather->done) return false;
  if (!residual->next || residual->next->gathered || residual->next->q8 != gather->x) return false;
  ops::Residual fused = *residual;
  fused.next->gathered = true;
  site.replace(3, fused);
  return true;
}

constexpr FusionRule rules[] = {
    {"norm-quantize", norm_quantize},  // the first to be tried
    {"one-product", one_product},
    {"gate", gate},
    {"rope-append", rope_append},
    {"attention", attention},
    {"attention-quantize", attention_quantize},
    {"leaves", matmul_leaves},
    {"residual", residual},
    {"residual-norm", residual_norm},
    {"residual-gather", residual_gather},
};

}  // namespace

std::span<const FusionRule> cpu_rules() { return rules; }

}  // namespace troupe
