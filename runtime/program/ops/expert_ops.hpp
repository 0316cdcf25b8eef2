#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/model/description.hpp"
#include "runtime/program/ops/kinds.hpp"

namespace troupe::ops {

// Experts. A row becomes a routed row for each expert that it goes to: rows of a space, expert by expert, and of one
// expert in order. No expert's rows are padded, and none are left out. Where ranks share out the experts, each row goes
// first to every rank that has an expert of its choice, once, and is a guest there.

/// Chooses each row's experts by its scores, [experts]. choice [2 * used]: the experts' numbers, the highest score
/// first, then what they count. A bias, [experts], is added to what sigmoids make of the scores for the choice alone
/// (Wang et al. 2024).
struct Route {
  static constexpr std::string_view name = "route";
  ValueId scores, choice;
  ExpertChoice how;
  std::optional<WeightId> bias{};
  void values(auto&& v) const { v.reads(scores).writes(choice); }
  void weights(auto&& v) const {
    if (bias) v(*bias);
  }
};

/// Holds choices to the experts' room: what finds none is dropped or goes elsewhere (see ExpertCapacity).
struct LimitExperts {
  static constexpr std::string_view name = "limit_experts";
  Route route;
  bool counted;  ///< for Stats::experts: by one of the ranks that have the same rows
  void values(auto&& v) const { v.reads(route.scores).updates(route.choice); }
  void weights(auto&& v) const { route.weights(v); }
};

/// Tells the ranks how many rows come from where, and so makes the rows of two spaces: what this one sends, by rank,
/// and its guests, by rank. Of an expert that several ranks have each uses its own copy, and others share out theirs.
struct PlanExchange {
  static constexpr std::string_view name = "plan_exchange";
  ValueId choice;
  SpaceId sent, guests;
  std::vector<std::vector<std::uint32_t>> ranks;  ///< [experts]: that have it
  GroupId group;
  void values(auto&& v) const { v.reads(choice); }
};

/// The rows of x that are sent.
struct PickSent {
  static constexpr std::string_view name = "pick_sent";
  ValueId x, y;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

/// The choices of the rows that are sent: of each those experts that the rank to which it goes is to use for it; in
/// place of the others there is -1.
struct PickChoices {
  static constexpr std::string_view name = "pick_choices";
  ValueId choice, y;
  void values(auto&& v) const { v.reads(choice).writes(y); }
};

/// Lays out the routed rows: for each row those of its choice that are `here`, of so many experts.
struct LayExperts {
  static constexpr std::string_view name = "lay_experts";
  ValueId choice;
  SpaceId routed;
  std::vector<std::uint32_t> here;  ///< ascending
  std::uint32_t experts;
  bool counted;  ///< for Stats::experts: by one of the ranks that lay the same
  void values(auto&& v) const { v.reads(choice); }
};

/// The routed rows of x.
struct Dispatch {
  static constexpr std::string_view name = "dispatch";
  ValueId x, y;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

/// The product of each routed row with its expert's weights.
struct ExpertMatmul {
  static constexpr std::string_view name = "expert_matmul";
  ValueId x;
  std::vector<WeightId> experts;  ///< [experts]
  ValueId y;
  void values(auto&& v) const { v.reads(x).writes(y); }
  void weights(auto&& v) const {
    for (const WeightId expert : experts) v(expert);
  }
};

/// Each routed row plus its expert's bias.
struct ExpertBias {
  static constexpr std::string_view name = "expert_bias";
  ValueId x;
  std::vector<WeightId> experts;  ///< [experts]
  void values(auto&& v) const { v.updates(x); }
  void weights(auto&& v) const {
    for (const WeightId expert : experts) v(expert);
  }
};

/// Each routed row times what its expert counts.
struct WeighExperts {
  static constexpr std::string_view name = "weigh_experts";
  ValueId x;
  void values(auto&& v) const { v.updates(x); }
};

/// As ExpertMatmul: this rank's leaves of a row-parallel product, in fixed point.
struct ExpertPartial {
  static constexpr std::string_view name = "expert_partial";
  ValueId x;
  std::vector<WeightId> experts;
  ValueId partial;
  void values(auto&& v) const { v.reads(x).writes(partial); }
  void weights(auto&& v) const {
    for (const WeightId expert : experts) v(expert);
  }
};

/// Each routed row of a sum in fixed point plus its expert's bias times what the expert counts: a leaf, which one rank
/// of those that share out the others adds.
struct ExpertBiasLeaf {
  static constexpr std::string_view name = "expert_bias_leaf";
  ValueId partial;
  std::vector<WeightId> experts;
  void values(auto&& v) const { v.updates(partial); }
  void weights(auto&& v) const {
    for (const WeightId expert : experts) v(expert);
  }
};

/// Of each row the sum of its routed rows, in fixed point.
struct Combine {
  static constexpr std::string_view name = "combine";
  ValueId routed, y;
  bool of_guests;  ///< a sum that is out of range is told in the row itself, to the rank that sent it
  void values(auto&& v) const { v.reads(routed).writes(y); }
};

/// Of each row the sum of what has come back of it, in fixed point.
struct SumReturned {
  static constexpr std::string_view name = "sum_returned";
  ValueId returned, y;
  void values(auto&& v) const { v.reads(returned).writes(y); }
};

using ExpertOps = Kinds<Route, LimitExperts, PlanExchange, PickSent, PickChoices, LayExperts, Dispatch, ExpertMatmul,
                        ExpertBias, WeighExperts, ExpertPartial, ExpertBiasLeaf, Combine, SumReturned>;

}  // namespace troupe::ops
