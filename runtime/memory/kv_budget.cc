#include "runtime/memory/kv_budget.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "runtime/memory/kv_groups.hpp"
#include "runtime/model/checked.hpp"

namespace troupe {
namespace {

/// More than any machine addresses: below it, no sum over a graph's actors leaves 64 bits.
constexpr std::uint64_t most_kv_bytes = std::uint64_t{1} << 56;

/// What one sequence holds at once, at most: what the first of a step's rows sees, and up to the last.
std::uint32_t per_sequence(const KvDemand& demand, std::uint32_t window) {
  const std::uint32_t all = kv_blocks_for(demand.context);
  if (window == 0) return all;
  const std::uint64_t span = std::uint64_t{window} + demand.rows - 1;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(all, (span + kernels::kv_block - 2) / kernels::kv_block + 1));
}

/// Groups that see everything have `blocks`; the others as many, but no more than they need, and no fewer than one
/// sequence does.
std::vector<KvGroup> groups_with(const KvDemand& demand, std::uint32_t blocks, std::uint32_t of_windows) {
  std::vector<KvGroup> groups;
  for (std::uint32_t g = 0; g < demand.windows.size(); ++g) {
    const std::uint32_t window = demand.windows[g];
    const KvDeal deal = kv_deal(demand.context, demand.parts, g % demand.parts);
    const std::uint32_t one = deal.most(per_sequence(demand, window));
    const std::uint32_t of_all = deal.most(window == 0 ? blocks : of_windows);
    const std::uint32_t needed = window == 0 ? of_all : std::min(of_all, demand.parallel * one);
    groups.push_back({window, std::max(needed, one), one, deal});
  }
  return groups;
}

/// The largest number in [least, most] with which `fits` is true, as it is with all smaller ones.
template <class Fits>
std::optional<std::uint32_t> largest(std::uint32_t least, std::uint32_t most, const Fits& fits) {
  if (!fits(least)) return {};
  while (least < most) {
    const std::uint32_t middle = most - (most - least) / 2;
    fits(middle) ? least = middle : most = middle - 1;
  }
  return least;
}

}  // namespace

KvDemand kv_demand(const ModelDescription& model, std::uint32_t context, std::uint32_t parallel, std::uint32_t rows,
                   std::uint32_t parts) {
  KvDemand demand{kv_groups(model, parts).windows, {}, context, parallel, rows, parts};
  demand.block_bytes.resize(demand.windows.size(), 0);
  return demand;
}

void add_shard(KvDemand& demand, std::span<const std::uint64_t> block_bytes) {
  for (std::size_t g = 0; g < block_bytes.size(); ++g) demand.block_bytes[g] += block_bytes[g];
}

std::uint64_t kv_bytes(const std::vector<KvGroup>& groups, std::span<const std::uint64_t> block_bytes) {
  std::uint64_t sum = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto mine = checked_mul(block_bytes[g], groups[g].blocks);
    if (!mine || *mine > most_kv_bytes - sum) return UINT64_MAX;
    sum += *mine;
  }
  return sum;
}

Result<std::vector<KvGroup>> cut_kv(const KvDemand& demand, std::uint64_t bytes) {
  const std::uint32_t one = kv_blocks_for(demand.context), all = demand.parallel * one;
  const std::uint64_t most = bytes == 0 ? most_kv_bytes : std::min(bytes, most_kv_bytes);
  const auto within = [&](const std::vector<KvGroup>& groups) { return kv_bytes(groups, demand.block_bytes) <= most; };
  if (const auto whole = groups_with(demand, all, all); within(whole)) return whole;
  if (bytes == 0) {
    return Error(Code::out_of_memory, "the KV of " + std::to_string(demand.parallel) + " sequences of " +
                                          std::to_string(demand.context) +
                                          " positions is beyond 2^56 bytes; ask for less context or fewer sequences");
  }
  if (const auto n = largest(one, all, [&](std::uint32_t b) { return within(groups_with(demand, b, b)); })) {
    return groups_with(demand, *n, *n);
  }
  if (const auto n = largest(1, one, [&](std::uint32_t b) { return within(groups_with(demand, one, b)); })) {
    return groups_with(demand, one, *n);
  }
  KvDemand shorter = demand;
  const auto fitting = largest(1, demand.context, [&](std::uint32_t context) {
    shorter.context = context;
    return within(groups_with(shorter, kv_blocks_for(context), 1));
  });
  return Error(Code::invalid_argument,
               "kv_memory is " + std::to_string(bytes) + " bytes; one sequence of " + std::to_string(demand.context) +
                   " positions needs " + std::to_string(kv_bytes(groups_with(demand, one, 1), demand.block_bytes)) +
                   (fitting ? ", and a context of " + std::to_string(*fitting) + " would fit" : ""));
}

}  // namespace troupe
