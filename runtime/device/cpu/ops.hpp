#pragma once

#include "runtime/device/cpu/context.hpp"
#include "runtime/program/ops.hpp"

/// How the CPU does each op: every thread of a shard's team calls `run`; a barrier follows. An op that has none here
/// does not compile.
namespace troupe::cpu {

void run(const ops::Embed& op, OpContext& c);
void run(const ops::RmsNorm& op, OpContext& c);
void run(const ops::HeadNorm& op, OpContext& c);
void run(const ops::LayerNorm& op, OpContext& c);
void run(const ops::HeadLayerNorm& op, OpContext& c);
void run(const ops::MeanSquare& op, OpContext& c);
void run(const ops::NormByMean& op, OpContext& c);
void run(const ops::Bias& op, OpContext& c);
void run(const ops::Scale& op, OpContext& c);
void run(const ops::SigmoidScale& op, OpContext& c);
void run(const ops::Softcap& op, OpContext& c);
void run(const ops::Quantize& op, OpContext& c);
void run(const ops::Matmul& op, OpContext& c);
void run(const ops::MatmulPartial& op, OpContext& c);
void run(const ops::AllReduce& op, OpContext& c);
void run(const ops::ReduceRows& op, OpContext& c);
void run(const ops::GatherParts& op, OpContext& c);
void run(const ops::AllGather& op, OpContext& c);
void run(const ops::AllGatherRows& op, OpContext& c);
void run(const ops::PackHeads& op, OpContext& c);
void run(const ops::UnpackHeads& op, OpContext& c);
void run(const ops::ExchangeHeads& op, OpContext& c);
void run(const ops::AllToAll& op, OpContext& c);
void run(const ops::Broadcast& op, OpContext& c);
void run(const ops::Await& op, OpContext& c);
void run(const ops::FromFixed& op, OpContext& c);
void run(const ops::Rope& op, OpContext& c);
void run(const ops::KvAppend& op, OpContext& c);
void run(const ops::AttentionScores& op, OpContext& c);
void run(const ops::AttentionSoftmax& op, OpContext& c);
void run(const ops::AttentionValues& op, OpContext& c);
void run(const ops::PlanNodes& op, OpContext& c);
void run(const ops::AttentionNodes& op, OpContext& c);
void run(const ops::ExchangeNodes& op, OpContext& c);
void run(const ops::MergeNodes& op, OpContext& c);
void run(const ops::Gelu& op, OpContext& c);
void run(const ops::SiluMul& op, OpContext& c);
void run(const ops::GeluMul& op, OpContext& c);
void run(const ops::SwigluOai& op, OpContext& c);
void run(const ops::Add& op, OpContext& c);
void run(const ops::OwnRows& op, OpContext& c);
void run(const ops::Route& op, OpContext& c);
void run(const ops::LimitExperts& op, OpContext& c);
void run(const ops::PlanExchange& op, OpContext& c);
void run(const ops::PickSent& op, OpContext& c);
void run(const ops::PickChoices& op, OpContext& c);
void run(const ops::LayExperts& op, OpContext& c);
void run(const ops::Dispatch& op, OpContext& c);
void run(const ops::ExpertMatmul& op, OpContext& c);
void run(const ops::ExpertBias& op, OpContext& c);
void run(const ops::WeighExperts& op, OpContext& c);
void run(const ops::ExpertPartial& op, OpContext& c);
void run(const ops::ExpertBiasLeaf& op, OpContext& c);
void run(const ops::Combine& op, OpContext& c);
void run(const ops::SumReturned& op, OpContext& c);
void run(const ops::SelectWanted& op, OpContext& c);
void run(const ops::GatherRows& op, OpContext& c);
void run(const ops::NormQuantize& op, OpContext& c);
void run(const ops::MatmulLeaves& op, OpContext& c);
void run(const ops::RopeAppend& op, OpContext& c);
void run(const ops::Attention& op, OpContext& c);
void run(const ops::AttentionQuantize& op, OpContext& c);
void run(const ops::SiluGate& op, OpContext& c);
void run(const ops::GeluGate& op, OpContext& c);
void run(const ops::Residual& op, OpContext& c);

inline void run_op(const Op& op, OpContext& c) {
  std::visit([&](const auto& what) { run(what, c); }, op.what);
}

}  // namespace troupe::cpu
