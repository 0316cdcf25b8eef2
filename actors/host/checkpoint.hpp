#pragma once

#include <memory>
#include <string>

#include "kernels/table.hpp"
#include "plugins/builtin.hpp"
#include "runtime/plan/plan.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// An open model file with what it was recognised as. Immutable.
class Checkpoint::Impl {
 public:
  std::shared_ptr<const FileBytes> bytes;  ///< what `file` and `tokenizer` look into
  std::vector<std::string> ignore_keys;    ///< that it was opened with
  ModelFile file;
  const Architecture* architecture = nullptr;
  ModelDescription model;
  std::shared_ptr<const Tokenizer> tokenizer;
};

namespace host {

using OpenedCheckpoint = Result<std::shared_ptr<const Checkpoint::Impl>>;

/// Opens a file and checks it whole: its format, architecture, tokenizer, that its tensors are what the layers need,
/// and that nothing it says is left unheard. Of the options, `copy` and `ignore_keys` count.
[[nodiscard]] OpenedCheckpoint open_checkpoint(const std::string& path, const plugins::Registry& registry,
                                               const LoadOptions& options = {});

/// The same for a file that is in memory already.
[[nodiscard]] OpenedCheckpoint open_checkpoint(const std::shared_ptr<const FileBytes>& bytes,
                                               const plugins::Registry& registry, const LoadOptions& options = {});

/// A checkpoint that has nothing mapped: itself, or one of a copy of its file.
[[nodiscard]] OpenedCheckpoint copied(const std::shared_ptr<const Checkpoint::Impl>& checkpoint,
                                      const plugins::Registry& registry);

/// Why an id at a place of a list is none of `size`.
[[nodiscard]] Error unknown_id(TokenId id, std::size_t place, std::size_t size);

/// Load options with every default filled in, checked.
struct Settings {
  Plan plan;
  std::uint32_t threads = 1, context = 0, rows = 0, parallel = 1;
  const kernels::KernelTable* kernels = nullptr;
};
[[nodiscard]] Result<Settings> resolve(const Checkpoint::Impl& checkpoint, const LoadOptions& options);

/// The relative costs by which stages are balanced: see StageCosts.
[[nodiscard]] StageCosts stage_costs(const Checkpoint::Impl& checkpoint);

}  // namespace host
}  // namespace troupe
