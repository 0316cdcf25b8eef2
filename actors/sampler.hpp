#pragma once

#include <map>

#include "actors/messages.hpp"
#include "runtime/text/generated_text.hpp"

namespace troupe::actors {

struct SamplerState {
  const char* name = "sampler";
  Epoch epoch = 0;
  std::map<SequenceId, GeneratedText> open;  ///< texts that have not ended
};

/// Owns what is known of each text under way (see GeneratedText): sends the router what may be shown, and ends the text
/// where it ends; of a stop string, which nobody else sees, it tells the scheduler. Sampling itself runs at the end of
/// the last stage's program, one step ahead of this; tokens that arrive after the end are the surplus and are dropped.
[[nodiscard]] SamplerActor::behavior_type sampler(SamplerActor::stateful_pointer<SamplerState> self, Epoch epoch,
                                                  std::shared_ptr<const Tokenizer> tokenizer, RouterActor router,
                                                  SchedulerActor scheduler);

}  // namespace troupe::actors
