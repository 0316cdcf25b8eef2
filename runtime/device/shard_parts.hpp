#pragma once

#include <memory>
#include <vector>

#include "runtime/program/program.hpp"
#include "runtime/program/runner.hpp"
#include "runtime/program/tokens.hpp"
#include "runtime/program/weights.hpp"
#include "transport/collective/communicator.hpp"
#include "transport/waiter.hpp"

namespace troupe {

/// All that a shard needs, on any device. Ends of channels that it does not have are null or empty.
struct ShardParts {
  std::shared_ptr<const Program> program;
  std::shared_ptr<const ShardWeights> weights;
  std::uint32_t rows = 0;                ///< of a step at most
  std::uint32_t slots = 1;               ///< sequences that run at once
  std::uint32_t context = 0;             ///< positions of one at most
  std::vector<std::uint32_t> kv_blocks;  ///< [groups of layers]: of all sequences together at most
  std::uint32_t threads = 1;
  transport::WaitPolicy policy;
  transport::Deadline deadline{peer_patience};                   ///< of waits for peers
  std::vector<int> cores;                                        ///< [threads] to pin them to, or empty
  std::vector<std::shared_ptr<transport::Communicator>> groups;  ///< [Program::groups]
  std::unique_ptr<TokenBoard> tokens;                            ///< in the first stage
  std::unique_ptr<transport::Receiver> hidden_in;  ///< in the others, at the first rank, which tells the rest
  std::vector<std::unique_ptr<transport::Sender>> hidden_out;
  std::unique_ptr<LogitsEnd> logits_end;          ///< first rank of the last stage: samples here, or
  std::unique_ptr<transport::Sender> logits_out;  ///< sends its logits on
};

}  // namespace troupe
