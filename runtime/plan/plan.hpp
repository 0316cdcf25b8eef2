#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/model/description.hpp"
#include "troupe/error.hpp"
#include "troupe/graph.hpp"

namespace troupe {

/// Nodes of a graph at most: shards, samplers and the host's actors. What a model's layers and leaves, and the memory,
/// allow is less.
inline constexpr std::uint32_t most_nodes = 256;

/// A replica has a shard and a sampler at least.
inline constexpr std::uint32_t most_replicas = most_nodes / 2;

/// The short form of a graph: a product of factors, "dp2.pp2.tp2". `pp` and `tp` hold one share a rank; equal shares of
/// layers mean "balanced by cost".
struct Plan {
  std::uint32_t dp = 1, sp = 1, cp = 1, ep = 1;
  std::vector<std::uint32_t> pp{1}, tp{1};
  [[nodiscard]] std::size_t stage_ranks() const { return std::size_t{sp} * cp * ep * tp.size(); }
  [[nodiscard]] std::size_t ranks() const { return dp * pp.size() * stage_ranks(); }
  [[nodiscard]] std::size_t nodes() const { return ranks() + dp; }  ///< of its graph: a sampler for each replica
};

/// Factors in any order, none twice; "pp3" is three equal shares, "tp2:1" two uneven ones. The empty text is an error.
[[nodiscard]] Result<Plan> parse_plan(std::string_view text);
[[nodiscard]] std::string to_string(const Plan& plan);

/// Why a plan of more is refused.
[[nodiscard]] std::string too_many_nodes();

/// What a model allows at most.
struct PlanLimits {
  std::uint32_t layers = 0;            ///< so many stages
  std::uint32_t leaves = 0;            ///< of attention and FFN: tensor-parallel ranks
  std::uint32_t experts = 0;           ///< expert-parallel ranks; 0 where it has none
  std::uint32_t vocabulary_parts = 0;  ///< groups of its rows: ranks of a stage
};
[[nodiscard]] PlanLimits limits_of(const ModelDescription& model);

/// Plans within the limits on at most `ranks` ranks, and most_nodes nodes: every product of degrees, each degree of pp
/// and tp even and in two uneven forms (2:1:1, and the last with all that it can get). What the equality tests run.
[[nodiscard]] std::vector<Plan> enumerate_plans(std::uint32_t ranks, const PlanLimits& limits);

/// Splits `units` by ratio: largest remainder (ties to the first), at least one each. Precondition: units >=
/// shares.size().
[[nodiscard]] std::vector<Range> split_by_shares(std::uint32_t units, const std::vector<std::uint32_t>& shares);

/// Relative cost of decoding eight rows: one layer, and the output head with sampling.
struct StageCosts {
  double layer = 1.0, head = 0.0;
};

/// Contiguous stages whose dearest is cheapest.
[[nodiscard]] std::vector<Range> balance_stages(std::uint32_t layers, std::size_t stages, StageCosts costs);

/// The graph of a plan: nodes r0.s0.t0 (replica, stage, tensor-parallel rank; r0.s0.sp0.ep0.t0 where there are such
/// factors) and r0.sampler, groups r0.s0. Fails with invalid_argument, naming the limit, where the model has too few
/// layers, leaves or experts.
[[nodiscard]] Result<Graph> expand(const Plan& plan, const ModelDescription& model, StageCosts costs,
                                   std::uint32_t threads);

}  // namespace troupe
