#pragma once

#include <memory>
#include <optional>
#include <string>

#include "actors/host/checkpoint.hpp"

namespace troupe::host {

using OpenedCheckpoint = Result<std::shared_ptr<const Checkpoint::Impl>>;

/// What messages call a source.
[[nodiscard]] std::string name_of(const ModelSource& source);

/// A source's bytes, copied where that is asked for.
[[nodiscard]] Result<std::shared_ptr<const FileBytes>> bytes_of(const ModelSource& source, std::optional<bool> copy);

/// Opens a file and checks it whole: its format, architecture, tokenizer, that its tensors are what the layers need,
/// and that nothing it says is left unheard. Of the options, `ignore_keys` counts.
[[nodiscard]] OpenedCheckpoint open_checkpoint(const std::shared_ptr<const FileBytes>& bytes,
                                               const plugins::Registry& registry, const LoadOptions& options = {});

/// Opens it for its tokenizer alone: the checkpoint has no architecture and no tensors.
[[nodiscard]] OpenedCheckpoint open_for_tokenizer(const std::shared_ptr<const FileBytes>& bytes,
                                                  const plugins::Registry& registry, const LoadOptions& options = {});

/// A checkpoint that has nothing mapped or lent: itself, or one of a copy of its file.
[[nodiscard]] OpenedCheckpoint copied(const std::shared_ptr<const Checkpoint::Impl>& checkpoint,
                                      const plugins::Registry& registry);

}  // namespace troupe::host
