#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/table.hpp"
#include "transport/collective/communicator.hpp"
#include "troupe/troupe.hpp"

namespace troupe::testing {

/// What the tests may replace by something wrong in a graph of one stage that is wired by hand; the product offers no
/// such thing.
struct Parts {
  const kernels::KernelTable* kernels = kernels::find_table();
  std::function<std::unique_ptr<transport::Communicator>(std::unique_ptr<transport::Communicator>)> wrap_communicator =
      [](auto communicator) { return communicator; };
};

/// The hash that `troupe logits --all` prints for these ids under tpN; here the ranks' runners are called directly.
[[nodiscard]] std::uint64_t hash_of(const Checkpoint& checkpoint, const std::vector<TokenId>& ids, std::uint32_t ranks,
                                    const Parts& parts = {});

}  // namespace troupe::testing
