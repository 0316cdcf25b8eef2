#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/program/ops/kinds.hpp"
#include "troupe/graph.hpp"

namespace troupe::ops {

// Collectives begin, and have ended once their event has been awaited: until then nobody else touches their values.
// What is reduced, gathered by columns or broadcast has the same rows on all ranks of the group. Of the others a rank
// may have none: they stand in sections without tiles, which run whatever their count.

/// The sum of every rank's partial, in place.
struct AllReduce {
  static constexpr std::string_view name = "all_reduce";
  ValueId sum;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.updates(sum); }
};

/// The same; but where there are many rows (see part_of_rows), of these each rank has its part alone, until they are
/// gathered: of norms and of what else is done to a row by itself, it need do no more (Korthikanti et al., Reducing
/// Activation Recomputation in Large Transformer Models, 2022).
struct ReduceRows {
  static constexpr std::string_view name = "reduce_rows";
  ValueId sum;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.updates(sum); }
};

/// Of such rows, or of what has been made of them, every part at every rank, in place.
struct GatherParts {
  static constexpr std::string_view name = "gather_parts";
  ValueId x;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.updates(x); }
};

/// Every rank's columns side by side, at the first rank.
struct AllGather {
  static constexpr std::string_view name = "all_gather";
  ValueId x, all;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.reads(x).writes(all); }
};

/// The first rank's value, at every rank.
struct Broadcast {
  static constexpr std::string_view name = "broadcast";
  ValueId value;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.updates(value); }
};

/// Every rank's own rows, one rank's behind another's, at every rank: those of the step.
struct AllGatherRows {
  static constexpr std::string_view name = "all_gather_rows";
  ValueId x, all;
  GroupId group;
  EventId done;
  void values(auto&& v) const { v.reads(x).writes(all); }
};

/// Of each own row the columns of each rank, one rank's behind another's, so that each can be sent its part: not a row
/// after the other any more. Ranks may have columns in common.
struct PackHeads {
  static constexpr std::string_view name = "pack_heads";
  ValueId x, packed;
  std::vector<Range> columns;  ///< [ranks]
  void values(auto&& v) const { v.reads(x).writes(packed); }
};

/// And the other way round; here they have none in common.
struct UnpackHeads {
  static constexpr std::string_view name = "unpack_heads";
  ValueId packed, x;
  std::vector<Range> columns;
  void values(auto&& v) const { v.reads(packed).writes(x); }
};

/// From own rows of all ranks' columns, packed, to all rows of this rank's own columns, or back (Jacobs et al.,
/// DeepSpeed-Ulysses, 2023).
struct ExchangeHeads {
  static constexpr std::string_view name = "exchange_heads";
  ValueId x, y;
  GroupId group;
  EventId done;
  std::vector<Range> columns;
  bool back;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

/// The rows that each rank sends to each: from what was picked (PickSent) to what PlanExchange made room for, or back.
struct AllToAll {
  static constexpr std::string_view name = "all_to_all";
  ValueId x, y;
  GroupId group;
  EventId done;
  bool back;
  void values(auto&& v) const { v.reads(x).writes(y); }
};

/// The end of what `done` was begun with. `from` and `to`: what that reads and writes, so that both are seen to be in
/// use until here; the same where it works in place.
struct Await {
  static constexpr std::string_view name = "await";
  EventId done;
  ValueId from, to;
  void values(auto&& v) const {
    if (from != to) v.reads(from);
    v.updates(to);
  }
};

using Collectives = Kinds<AllReduce, ReduceRows, GatherParts, AllGather, Broadcast, AllGatherRows, PackHeads,
                          UnpackHeads, ExchangeHeads, AllToAll, Await>;

}  // namespace troupe::ops
