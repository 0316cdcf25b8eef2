#pragma once

#include <map>

#include "actors/messages.hpp"
#include "runtime/text/tokenizer.hpp"

namespace troupe::actors {

struct SamplerState {
  const char* name = "sampler";
  Epoch epoch = 0;
  struct Text {
    std::shared_ptr<const Request> request;
    Utf8Stream utf8;
    std::uint32_t tokens = 0;
  };
  std::map<SequenceId, Text> open;  ///< texts that have not ended
};

/// Owns what is known of each text under way: turns sampled tokens into whole characters, sends them to the router, and
/// ends the text at its end token or its length. Sampling itself runs at the end of the last stage's program, one step
/// ahead of this; tokens that arrive after the end are the surplus and are dropped.
[[nodiscard]] SamplerActor::behavior_type sampler(SamplerActor::stateful_pointer<SamplerState> self, Epoch epoch,
                                                  std::shared_ptr<const Tokenizer> tokenizer, RouterActor router);

}  // namespace troupe::actors
