#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/builtin.hpp"
#include "runtime/text/template/chat_template.hpp"
#include "troupe/chat.hpp"
#include "troupe/runtime.hpp"

namespace troupe {
namespace host {

/// What of the load options counts where files are opened.
struct OpenOptions {
  std::vector<std::string> ignore_keys;
  std::vector<AdapterFile> adapters;
  std::uint32_t experts_used = 0;
  ExpertCapacity expert_capacity{};
};

/// How a file wants conversations written, and its template as it was read.
struct Chat {
  ChatFormat format;
  ChatTemplate parsed;
};

/// Where it has no template that can be read, ChatML.
[[nodiscard]] Chat chat_of(const ModelFile& file, const Tokenizer& tokenizer);

}  // namespace host

/// Open model files with what they were recognised as. Immutable.
class Checkpoint::Impl {
 public:
  std::vector<std::shared_ptr<const FileBytes>> files;  ///< the model's parts, then the adapters: all looks into them
  host::OpenOptions options;                            ///< that it was opened with
  ModelFile file;                                       ///< all parts as one
  std::vector<Adapter> adapters;
  const Architecture* architecture = nullptr;
  ModelDescription model;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::optional<host::Chat> chat;          ///< there once it is open
  std::vector<const DeviceKind*> devices;  ///< of the registry that it was opened with
};

namespace host {

/// What a checkpoint holds. Throws unsupported where it was opened for its tokenizer alone.
[[nodiscard]] const Checkpoint::Impl& with_model(const std::shared_ptr<const Checkpoint::Impl>& impl);

/// Bytes that a model's replicas share, beside weights. `copy`: its file is read into memory, or is to be.
[[nodiscard]] std::vector<ActorMemory> shared_memory(const Checkpoint::Impl& checkpoint, bool copy);

/// Why an id at a place of a list is none of `size`.
[[nodiscard]] Error unknown_id(TokenId id, std::size_t place, std::size_t size);

}  // namespace host
}  // namespace troupe
