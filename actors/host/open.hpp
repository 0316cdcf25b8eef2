#pragma once

#include <memory>
#include <string>

#include "actors/host/checkpoint.hpp"

namespace troupe::host {

using OpenedCheckpoint = Result<std::shared_ptr<const Checkpoint::Impl>>;

/// What messages call a source.
[[nodiscard]] std::string name_of(const ModelSource& source);

/// Opens a model, all its parts and adapters, and checks it whole: its format, architecture, tokenizer, that its
/// tensors are what the layers need, and that nothing it says is left unheard. Of the options, `copy`, `ignore_keys`,
/// `experts_used`, `expert_capacity` and `adapters` count.
[[nodiscard]] OpenedCheckpoint open_checkpoint(const ModelSource& source, const plugins::Registry& registry,
                                               const LoadOptions& options = {});

/// Opens one for its tokenizer alone: the checkpoint has no architecture and no tensors.
[[nodiscard]] OpenedCheckpoint open_for_tokenizer(const ModelSource& source, const plugins::Registry& registry,
                                                  const LoadOptions& options = {});

/// A checkpoint that has nothing mapped or lent: itself, or one of copies of its files.
[[nodiscard]] OpenedCheckpoint copied(const std::shared_ptr<const Checkpoint::Impl>& checkpoint,
                                      const plugins::Registry& registry);

}  // namespace troupe::host
