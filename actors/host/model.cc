#include "actors/host/model.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <mutex>

#include "actors/host/stream.hpp"
#include "actors/shared_queue.hpp"
#include "actors/supervisor.hpp"

namespace troupe {

struct Runtime::Impl::System {
  explicit System(std::uint32_t threads) {
    // Work stealing polls, and so sleeps up to 10 ms between looks; a shared queue wakes its worker at once.
    config.load<caf::scheduler::coordinator<actors::SharedQueue>>();
    config.set("scheduler.max-threads", threads);
    system = std::make_unique<caf::actor_system>(config);
  }
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

struct Model::Impl::Actors {
  actors::SupervisorActor supervisor;
  actors::RouterActor router;
};

class Generation::Impl {
 public:
  std::shared_ptr<Model::Impl> model;
  std::shared_ptr<host::StreamBuffer> stream;
  SequenceId id = 0;
  ~Impl() {
    if (!stream->over()) model->stop(id, Error(Code::cancelled, "the host dropped the request"));
  }
};

namespace {

/// A sink for as long as the caller waits: surplus steps may still be under way when a request has failed.
class GuardedSink {
 public:
  explicit GuardedSink(const LogitsSink& sink) : sink_(&sink) {}
  void operator()(std::uint32_t position, std::span<const float> logits) {
    const std::lock_guard lock(mutex_);
    if (sink_ != nullptr) (*sink_)(position, logits);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    sink_ = nullptr;
  }

 private:
  std::mutex mutex_;
  const LogitsSink* sink_;
};

void check_ids(const Checkpoint& checkpoint, std::span<const TokenId> ids) {
  if (ids.empty()) throw Error(Code::invalid_argument, "the prompt is empty; it needs at least one token");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && static_cast<std::uint32_t>(ids[i]) < checkpoint.vocabulary()) continue;
    throw Error(Code::invalid_argument, "id " + std::to_string(ids[i]) + " at place " + std::to_string(i) +
                                            " is not in the vocabulary, which ends at " +
                                            std::to_string(checkpoint.vocabulary() - 1));
  }
}

void check_sampling(const Sampling& sampling) {
  if (!(sampling.temperature >= 0.0F && sampling.temperature <= 1e6F)) {
    throw Error(Code::invalid_argument, "temperature must be between 0 and 1000000");
  }
  if (!(sampling.top_p > 0.0F && sampling.top_p <= 1.0F)) {
    throw Error(Code::invalid_argument, "top_p must be above 0 and at most 1");
  }
}

/// A clock counts nanoseconds, and overflows where milliseconds do not.
std::chrono::steady_clock::time_point after(std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds none{0}, longest = std::chrono::years(100);
  return std::chrono::steady_clock::now() + std::clamp(time, none, longest);
}

[[noreturn]] void too_long(std::size_t tokens, std::uint32_t context) {
  throw Error(Code::invalid_argument, "the prompt has " + std::to_string(tokens) + " tokens; the context holds " +
                                          std::to_string(context) + " positions");
}

}  // namespace

Model::Impl::Impl(std::shared_ptr<Runtime::Impl> runtime, Checkpoint opened, const LoadOptions& options,
                  std::uint32_t context, host::Deployment deployment)
    : checkpoint(std::move(opened)),
      runtime_(std::move(runtime)),
      context_(context),
      most_open_(deployment.replicas.size() * (std::size_t{options.queue} + options.parallel)),
      deployment_(std::move(deployment)),
      actors_(std::make_unique<Actors>()) {
  caf::actor_system& system = *runtime_->system->system;
  // The tokenizer looks into the file, which stays open as long as an actor knows of it.
  const std::shared_ptr<const Tokenizer> tokenizer(checkpoint.impl(), checkpoint.impl()->tokenizer.get());
  actors_->supervisor = system.spawn(actors::supervisor, deployment_.replicas, tokenizer);
  caf::scoped_actor self(system);
  self->request(actors_->supervisor, caf::infinite, caf::atom("router"))
      .receive([&](const actors::RouterActor& router) { actors_->router = router; },
               [](const caf::error&) { throw Error(Code::failed, "the actors did not start"); });
}

Model::Impl::~Impl() {
  // Nobody holds a Generation any more. Of what is under way, the steps that are being run come to their end.
  caf::scoped_actor self(*runtime_->system->system);
  self->send_exit(actors_->supervisor, caf::exit_reason::user_shutdown);
  self->wait_for(actors_->supervisor);
  for (auto& executor : deployment_.executors) executor->abort({Code::aborted, "the model is being closed"});
  for (auto& executor : deployment_.executors) executor->stop();
}

Generation Model::Impl::submit(std::vector<TokenId> prompt, const GenerateOptions& options,
                               std::shared_ptr<const SequenceSettings> settings, std::uint32_t max_tokens) {
  if (open_->fetch_add(1) >= most_open_) {
    open_->fetch_sub(1);
    throw Error(Code::queue_full, "the queue is full: " + std::to_string(most_open_) +
                                      " requests run or wait already; try again when some have ended");
  }
  auto stream = std::make_shared<host::StreamBuffer>([open = open_] { open->fetch_sub(1); });
  auto request = std::make_shared<actors::Request>();
  request->sequence = {++last_id_, std::move(prompt), max_tokens, std::move(settings)};
  request->ignore_end = options.ignore_end;
  if (options.deadline) request->deadline = after(*options.deadline);
  request->stream = stream;

  auto generation = std::make_shared<Generation::Impl>();
  generation->model = shared_from_this();
  generation->stream = std::move(stream);
  generation->id = request->sequence.id;
  caf::anon_send(actors_->router, actors::Submit{std::move(request)});
  return Generation(std::move(generation));
}

void Model::Impl::stop(SequenceId id, const Error& why) { caf::anon_send(actors_->router, actors::Stop{id, why}); }

Model::Model(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const Checkpoint& Model::checkpoint() const { return impl_->checkpoint; }

Generation Model::generate(std::string_view prompt, const GenerateOptions& options) const {
  return generate(impl_->checkpoint.prompt(prompt), options);
}

Generation Model::generate(std::vector<TokenId> prompt, const GenerateOptions& options) const {
  check_ids(impl_->checkpoint, prompt);
  check_sampling(options.sampling);
  if (prompt.size() > impl_->context()) too_long(prompt.size(), impl_->context());
  // The last token to be sampled needs no position of its own.
  const auto room = static_cast<std::uint32_t>(impl_->context() - prompt.size() + 1);
  auto settings = std::make_shared<SequenceSettings>();
  settings->sampling = options.sampling;
  return impl_->submit(std::move(prompt), options, std::move(settings),
                       options.max_tokens == 0 ? room : std::min(options.max_tokens, room));
}

void Model::logits(std::vector<TokenId> ids, bool every_position, const LogitsSink& sink) const {
  check_ids(impl_->checkpoint, ids);
  if (ids.size() > impl_->context()) too_long(ids.size(), impl_->context());
  const auto last = static_cast<std::uint32_t>(ids.size() - 1);
  const auto guarded = std::make_shared<GuardedSink>(sink);
  auto settings = std::make_shared<SequenceSettings>();
  settings->first_wanted = every_position ? 0 : last;
  settings->sink = [guarded](std::uint32_t position, std::span<const float> logits) { (*guarded)(position, logits); };
  Generation stream = impl_->submit(std::move(ids), {}, std::move(settings), 0);
  try {
    while (stream.next()) {
    }
  } catch (...) {
    guarded->close();
    throw;
  }
}

Generation::Generation(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&&) noexcept = default;
Generation::~Generation() = default;

std::optional<Token> Generation::next() { return impl_->stream->next(); }
std::uint64_t Generation::id() const { return impl_->id; }
void Generation::cancel() { impl_->model->stop(impl_->id, Error(Code::cancelled, "the request was cancelled")); }

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

}  // namespace

Runtime::Impl::Impl(RuntimeOptions wanted)
    : options(std::move(wanted)),
      registry(plugins::builtin()),
      system(std::make_unique<System>(options.control_threads)) {}

Runtime::Impl::~Impl() = default;

Runtime::Runtime(RuntimeOptions options) {
  constexpr std::uint32_t most = 256;
  if (options.control_threads < 1 || options.control_threads > most) {
    throw Error(Code::invalid_argument, "control_threads is " + std::to_string(options.control_threads) +
                                            "; it must be between 1 and " + std::to_string(most));
  }
  impl_ = std::make_shared<Impl>(std::move(options));
}

void Runtime::add_actor(const std::string& kind, ActorFactory factory) {
  const bool taken = kind == "shard" || kind == "sampler" || impl_->kinds.contains(kind);
  if (taken || kind.empty() || !factory) {
    throw Error(Code::invalid_argument, "actor kind \"" + kind + "\" cannot be added: " +
                                            (taken ? "the name is taken" : "it needs a name and a factory"));
  }
  impl_->kinds.emplace(kind, std::move(factory));
}

Checkpoint Runtime::open(const std::string& path, const LoadOptions&) const {
  return Checkpoint(host::open_checkpoint(path, impl_->registry).value());
}

Model Runtime::load(const std::string& path, const LoadOptions& options) const { return load(open(path), options); }

Model Runtime::load(const Checkpoint& checkpoint, const LoadOptions& options) const {
  return load(checkpoint, checkpoint.expand(options), options);
}

Model Runtime::load(const Checkpoint& checkpoint, const Graph& graph, const LoadOptions& options) const {
  const auto settings = host::resolve(*checkpoint.impl(), options).value();
  check_memory(checkpoint, graph, options);
  auto deployment = host::deploy(*checkpoint.impl(), graph, options, impl_->kinds).value();
  if (impl_->options.log) {
    impl_->options.log(LogLevel::info, "loaded " + checkpoint.impl()->file.path + ": " +
                                           std::to_string(deployment.executors.size()) + " nodes, kernels " +
                                           std::string(settings.kernels->name));
  }
  return Model(std::make_shared<Model::Impl>(impl_, checkpoint, options, settings.context, std::move(deployment)));
}

}  // namespace troupe
