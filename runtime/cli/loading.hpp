#pragma once

#include <optional>
#include <string>

#include "runtime/cli/options.hpp"
#include "troupe/chat.hpp"
#include "troupe/troupe.hpp"

namespace troupe::cli {

/// The file of --trace, where there is one: it can be written before any work is done for it.
class TraceFile {
 public:
  /// Throws Error.
  explicit TraceFile(const ModelFlags& flags);
  void write(const Model& model) const;

 private:
  std::optional<std::string> file_;
};

/// The file, open, whole or for its tokenizer alone. What there is to warn of goes to standard error.
Checkpoint open(const ModelFlags& flags);
Checkpoint open_tokenizer(const ModelFlags& flags);

/// How a file wants conversations written. Says on standard error where it does not say it.
ChatFormat format_of(const Checkpoint& checkpoint);

/// The graph that the flags ask for: the plan's, or the file's.
Graph graph_of(const Checkpoint& checkpoint, const ModelFlags& flags);

/// Positions of a sequence, at most.
std::uint32_t context_of(const Checkpoint& checkpoint, const LoadOptions& options);

/// Starts the graph. Shows how far it is on a terminal, where it takes more than a second.
Model load(const Runtime& runtime, const Checkpoint& checkpoint, const Graph& graph, LoadOptions options);

/// The model that the flags ask for, at work.
Model load(const Runtime& runtime, const ModelFlags& flags);

}  // namespace troupe::cli
