#pragma once

#include <memory>
#include <string>

#include "plugins/builtin.hpp"
#include "runtime/plan/plan.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// An open model file with what it was recognised as. Immutable.
class Checkpoint::Impl {
 public:
  ModelFile file;
  const Architecture* architecture = nullptr;
  ModelDescription model;
  std::shared_ptr<const Tokenizer> tokenizer;
};

namespace host {

/// Opens a file and checks it whole: its format, architecture, tokenizer, that its tensors are what the layers need,
/// and that nothing it says is left unheard.
[[nodiscard]] Result<std::shared_ptr<const Checkpoint::Impl>> open_checkpoint(const std::string& path,
                                                                              const plugins::Registry& registry,
                                                                              const LoadOptions& options = {});

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
