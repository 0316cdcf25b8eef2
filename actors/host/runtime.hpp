#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "actors/control.hpp"
#include "actors/host/deploy.hpp"
#include "actors/host/retire.hpp"
#include "actors/log.hpp"
#include "plugins/builtin.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// What the models of one runtime share. Any thread.
class Runtime::Impl {
 public:
  Impl(RuntimeOptions options, plugins::Registry plugins);

  /// A runtime with other plug-ins than the built-in ones: for tests, which add some of their own.
  [[nodiscard]] static Runtime runtime_with(plugins::Registry plugins, RuntimeOptions options = {});

  const actors::Log log;
  const std::function<void(std::string_view, const Stats&)> metrics;
  const std::chrono::milliseconds metrics_interval;
  const plugins::Registry registry;

  void add_kind(const std::string& kind, ActorFactory factory);

  /// What models share: the kinds of actor as they are now.
  [[nodiscard]] host::House house() const;

  /// Starts the threads of the actors' system, where no model has been loaded before. Throws Error; also in a child of
  /// fork().
  void start_control();

  /// For models: the actors' system.
  [[nodiscard]] actors::Control& control() { return *control_; }

 private:
  const host::Process process_;
  const std::uint32_t control_threads_;
  mutable std::mutex mutex_;  ///< guards what follows
  host::House house_;
  std::unique_ptr<actors::Control> control_;
};

}  // namespace troupe
