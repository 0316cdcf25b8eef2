#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "troupe/actor.hpp"
#include "troupe/checkpoint.hpp"
#include "troupe/error.hpp"
#include "troupe/graph.hpp"
#include "troupe/model.hpp"

namespace troupe {

enum class LogLevel { debug, info, warning, error };

struct RuntimeOptions {
  /// What an operator wants to know, a line each: loads and failed loads (info, error), refused requests, deadlines
  /// that passed, options that had no effect, what a file says and is put up with (warning), replicas that failed
  /// (error), models that closed (info). Called from any thread, from several at once too, and until the last model has
  /// closed; requests may wait for it, so it must not block. What it throws is ignored. None: silent.
  std::function<void(LogLevel, std::string_view)> log{};
  std::uint32_t control_threads = 1;  ///< threads that run the actors' messages (the work has its own)

  /// Gets every model's stats, each `metrics_interval` (at least 1 ms) from its load until it closes; on a thread of
  /// the runtime, for one model never two at once; requests may wait for it, so it must not block. `model`: its file.
  /// What it throws is ignored.
  std::function<void(std::string_view model, const Stats& stats)> metrics{};
  std::chrono::milliseconds metrics_interval{1000};
};

/// Where everything lives: the registries, the actors' threads, and the cores that models are pinned to. No global
/// state; several may stand side by side. Its threads are started with the first model; a child of fork() makes a
/// Runtime of its own. Any thread.
class Runtime {
 public:
  class Impl;
  explicit Runtime(RuntimeOptions options = {});

  /// Adds a kind of actor of the host's own, for graphs to name. Throws Error where the name is taken.
  void add_actor(const std::string& kind, ActorFactory factory);

  /// Opens and checks a model file, or several: all parts of a split one, and the adapters. Of the options, `copy`,
  /// `ignore_keys`, `adapters`, `experts_used` and `expert_capacity` count. Throws Error.
  [[nodiscard]] Checkpoint open(const ModelSource& source, const LoadOptions& options = {}) const;

  /// Opens a file for its tokenizer alone, whatever else is in it: a model of any architecture, or a vocabulary without
  /// tensors. See Checkpoint::has_model. Throws Error.
  [[nodiscard]] Checkpoint open_tokenizer(const ModelSource& source, const LoadOptions& options = {}) const;

  /// Packs the weights and starts the actors of a plan, or of a graph; beside a graph, a plan or number of threads that
  /// says something else has no effect, and is logged. Throws Error; of a graph it names all that is wrong.
  [[nodiscard]] Model load(const ModelSource& source, const LoadOptions& options = {}) const;
  [[nodiscard]] Model load(const Checkpoint& checkpoint, const LoadOptions& options = {}) const;
  [[nodiscard]] Model load(const Checkpoint& checkpoint, const Graph& graph, const LoadOptions& options = {}) const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace troupe
