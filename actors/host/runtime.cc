#include "actors/host/runtime.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <set>
#include <stop_token>
#include <system_error>

#include "actors/host/model.hpp"
#include "actors/host/open.hpp"
#include "actors/host/settings.hpp"
#include "actors/host/stream.hpp"
#include "kernels/floating_point.hpp"
#include "runtime/text/joined.hpp"

namespace troupe {
namespace {

void check_memory(const Checkpoint& checkpoint, const Graph& graph, const LoadOptions& options) {
  if (options.memory_limit == 0) return;
  std::uint64_t promised = 0;
  for (const ActorMemory& actor : checkpoint.memory(graph, options)) promised += actor.total();
  if (promised <= options.memory_limit) return;
  throw Error(Code::out_of_memory, "the graph needs up to " + std::to_string(promised) + " bytes, the limit is " +
                                       std::to_string(options.memory_limit) +
                                       "; a smaller context or fewer parallel sequences need less");
}

/// What the shards of a graph hold, by replica.
auto shares_of(const Graph& graph) {
  std::vector<std::array<std::uint32_t, 9>> shares;
  for (const GraphNode& node : graph.nodes) {
    if (!node.holds_layers()) continue;
    shares.push_back({node.replica, node.layers.first, node.layers.last, node.attention.first, node.attention.last,
                      node.ffn.first, node.ffn.last, node.vocabulary.first, node.vocabulary.last});
  }
  std::sort(shares.begin(), shares.end());
  return shares;
}

/// A graph counts for itself; whoever gave something else beside it should know.
void say_what_has_no_effect(const actors::Log& log, const Checkpoint& checkpoint, const Graph& graph,
                            const LoadOptions& options) {
  if (!options.plan.empty() && shares_of(graph) != shares_of(checkpoint.expand(options))) {
    log(LogLevel::warning,
        [&] { return "plan \"" + options.plan + "\" has no effect beside a graph, which is drawn otherwise"; });
  }
  const auto other_threads = std::count_if(graph.nodes.begin(), graph.nodes.end(), [&](const GraphNode& node) {
    return node.holds_layers() && options.threads != 0 && node.threads != options.threads;
  });
  if (other_threads > 0) {
    log(LogLevel::warning, [&] {
      return "threads " + std::to_string(options.threads) +
             " have no effect beside a graph: " + std::to_string(other_threads) + " of its shards have another number";
    });
  }
}

/// Want of memory is an Error at the API's boundary.
template <class Call>
auto with_memory(const Call& call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    throw Error(Code::out_of_memory, "there is no memory to open or load the model");
  } catch (const std::system_error& thrown) {
    throw Error(Code::failed, std::string("a thread of the model cannot be started: ") + thrown.what());
  }
}

/// Whether a load is to go on.
class LoadWatch {
 public:
  explicit LoadWatch(const LoadOptions& options) : cancel_(options.cancel) {
    if (options.deadline) deadline_ = host::after(*options.deadline);
  }
  void check() const {
    if (cancel_.stop_requested()) throw Error(Code::cancelled, "the load was cancelled");
    const bool late = deadline_ && std::chrono::steady_clock::now() >= *deadline_;
    if (late) throw Error(Code::deadline, "the load's deadline has passed");
  }

 private:
  std::stop_token cancel_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
};

/// The host's options, whose progress looks at the rest of what may end the load, too.
LoadOptions watched(LoadOptions options) {
  if (!options.cancel.stop_possible() && !options.deadline) return options;
  const LoadWatch watch(options);
  watch.check();
  options.progress = [watch, host = std::move(options.progress)](double fraction) {
    watch.check();
    if (host) host(fraction);
  };
  return options;
}

/// Tells the log what the file said that was put up with.
Checkpoint with_warnings(const actors::Log& log, host::OpenedCheckpoint opened) {
  Checkpoint checkpoint(std::move(opened).value());
  for (const std::string& line : checkpoint.impl()->tokenizer->warnings()) {
    log(LogLevel::warning, [&] { return line; });
  }
  return checkpoint;
}

/// Runs a load, and tells the log how it went, where there is memory to tell.
template <class Load>
Model logged(const actors::Log& log, const std::string& path, const Load& load) {
  const auto failed = [&](const char* why) {
    try {
      log(LogLevel::error, [&] { return "loading " + path + " failed: " + why; });
    } catch (const std::bad_alloc&) {
    }
  };
  try {
    return load();
  } catch (const Error& error) {
    failed(error.what());
    throw;
  } catch (...) {
    failed("the host's progress callback threw");
    throw;
  }
}

/// What a model works on: the checkpoint, or a copy that keeps nothing mapped.
Checkpoint as_wanted(const Checkpoint& opened, const plugins::Registry& registry, const LoadOptions& options) {
  (void)host::with_model(opened.impl());
  if (!options.copy.value_or(false)) return opened;
  return with_memory([&] { return Checkpoint(host::copied(opened.impl(), registry).value()); });
}

/// The names of the devices of a graph, with commas between.
std::string devices_of(const Checkpoint::Impl& checkpoint, const Graph& graph, const LoadOptions& options) {
  std::set<std::string> names;
  for (const GraphNode& node : graph.nodes) {
    if (!node.holds_layers()) continue;
    names.emplace(open_device(checkpoint.devices, node.device, {options.isa}).value()->name());
  }
  return joined(names);
}

void warn_of_context(const actors::Log& log, const Checkpoint& checkpoint, std::uint32_t context) {
  const std::uint32_t own = checkpoint.impl()->model.context;
  if (context <= own) return;
  log(LogLevel::warning, [&] {
    return "the context is " + std::to_string(context) + " positions, and the model was trained on " +
           std::to_string(own) + ": what it writes beyond them may make no sense";
  });
}

/// Packs the weights and starts the actors. Its threads come first: nothing is packed where they cannot be had.
Model start(const std::shared_ptr<Runtime::Impl>& runtime, const Checkpoint& checkpoint, const Graph& graph,
            const LoadOptions& options) {
  const auto settings = with_memory([&] {
    runtime->start_control();
    auto resolved = host::resolve(*checkpoint.impl(), options).value();
    say_what_has_no_effect(runtime->log, checkpoint, graph, options);
    warn_of_context(runtime->log, checkpoint, resolved.context);
    check_memory(checkpoint, graph, options);
    return resolved;
  });
  const auto house = with_memory([&] { return runtime->house(); });
  auto deployed = host::deploy(checkpoint.impl(), graph, options, house);
  auto deployment = with_memory([&] { return std::move(deployed).value(); });
  std::size_t nodes = 0;
  for (const auto& replica : deployment.replicas) {
    for (const auto& members : replica.plan.stages) nodes += members.size();
  }
  Model model = with_memory([&] {
    return Model(
        host::make_retiring<Model::Impl>(runtime, checkpoint, graph, options, settings.context, std::move(deployment)));
  });
  runtime->log(LogLevel::info, [&] {
    const char* what = nodes == 1 ? " node on " : " nodes on ";
    return "loaded " + checkpoint.impl()->file.path + ": " + std::to_string(nodes) + what +
           devices_of(*checkpoint.impl(), graph, options);
  });
  return model;
}

}  // namespace

Runtime::Impl::Impl(RuntimeOptions options, plugins::Registry plugins)
    : log(std::move(options.log)),
      metrics(std::move(options.metrics)),
      metrics_interval(options.metrics_interval),
      registry(std::move(plugins)),
      control_threads_(options.control_threads),
      house_{{}, std::make_shared<CoreLedger>(), std::make_shared<WeightStore>(), registry.transports} {}

Runtime Runtime::Impl::runtime_with(plugins::Registry plugins, RuntimeOptions options) {
  Runtime runtime;
  runtime.impl_ = host::make_retiring<Impl>(std::move(options), std::move(plugins));
  return runtime;
}

void Runtime::Impl::add_kind(const std::string& kind, ActorFactory factory) {
  const std::lock_guard lock(mutex_);
  const bool taken = house_.kinds.nodes().has(kind);
  if (taken || kind.empty() || !factory) {
    throw Error(Code::invalid_argument, "actor kind \"" + kind + "\" cannot be added: " +
                                            (taken ? "the name is taken" : "it needs a name and a factory"));
  }
  house_.kinds.add_host_actor(kind, std::move(factory));
}

host::House Runtime::Impl::house() const {
  const std::lock_guard lock(mutex_);
  return house_;
}

void Runtime::Impl::start_control() {
  process_.check();
  const std::lock_guard lock(mutex_);
  if (control_ == nullptr) control_ = actors::Control::start(control_threads_).value();
}

Runtime::Runtime(RuntimeOptions options) {
  const kernels::FloatingPointScope floats;
  constexpr std::uint32_t most = 256;
  if (options.control_threads < 1 || options.control_threads > most) {
    throw Error(Code::invalid_argument, "control_threads is " + std::to_string(options.control_threads) +
                                            "; it must be between 1 and " + std::to_string(most));
  }
  constexpr std::chrono::milliseconds least{1}, longest = std::chrono::years(1);
  if (options.metrics_interval < least || options.metrics_interval > longest) {
    throw Error(Code::invalid_argument, "metrics_interval is " + std::to_string(options.metrics_interval.count()) +
                                            " ms; it must be between 1 ms and a year");
  }
  impl_ = host::make_retiring<Impl>(std::move(options), plugins::builtin());
}

void Runtime::add_actor(const std::string& kind, ActorFactory factory) {
  host::held(impl_, "the runtime").add_kind(kind, std::move(factory));
}

Checkpoint Runtime::open(const ModelSource& source, const LoadOptions& options) const {
  const kernels::FloatingPointScope floats;
  const Impl& impl = host::held(impl_, "the runtime");
  return with_memory([&] { return with_warnings(impl.log, host::open_checkpoint(source, impl.registry, options)); });
}

Checkpoint Runtime::open_tokenizer(const ModelSource& source, const LoadOptions& options) const {
  const kernels::FloatingPointScope floats;
  const Impl& impl = host::held(impl_, "the runtime");
  return with_memory([&] { return with_warnings(impl.log, host::open_for_tokenizer(source, impl.registry, options)); });
}

Model Runtime::load(const ModelSource& source, const LoadOptions& given) const {
  const kernels::FloatingPointScope floats;
  const std::shared_ptr<Impl> impl = impl_;  // the host's callbacks may let go of this object
  return logged(host::held(impl, "the runtime").log, host::name_of(source), [&] {
    const LoadOptions options = watched(given);
    const Checkpoint checkpoint = open(source, options);
    return start(impl, checkpoint, with_memory([&] { return checkpoint.expand(options); }), options);
  });
}

Model Runtime::load(const Checkpoint& opened, const LoadOptions& given) const {
  const kernels::FloatingPointScope floats;
  const std::shared_ptr<Impl> impl = impl_;
  return logged(host::held(impl, "the runtime").log, host::held(opened.impl(), "the checkpoint").files.front()->path(),
                [&] {
                  const LoadOptions options = watched(given);
                  const Checkpoint checkpoint = as_wanted(opened, impl->registry, options);
                  return start(impl, checkpoint, with_memory([&] { return checkpoint.expand(options); }), options);
                });
}

Model Runtime::load(const Checkpoint& opened, const Graph& graph, const LoadOptions& given) const {
  const kernels::FloatingPointScope floats;
  const std::shared_ptr<Impl> impl = impl_;
  return logged(host::held(impl, "the runtime").log, host::held(opened.impl(), "the checkpoint").files.front()->path(),
                [&] {
                  const LoadOptions options = watched(given);
                  return start(impl, as_wanted(opened, impl->registry, options), graph, options);
                });
}

}  // namespace troupe
