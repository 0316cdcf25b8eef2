#include "actors/host/model.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "actors/host/callback_stream.hpp"
#include "actors/host/generation.hpp"
#include "kernels/floating_point.hpp"
#include "runtime/plan/expert_balance.hpp"
#include "runtime/trace/chrome_writer.hpp"
#include "runtime/trace/percent.hpp"

namespace troupe {

namespace {

/// What experts had to do since, layer by layer.
std::vector<ExpertLoad> load_since(const std::vector<ExpertLoad>& before, std::vector<ExpertLoad> now) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    for (std::size_t e = 0; e < now[i].rows.size(); ++e) now[i].rows[e] -= before[i].rows[e];
  }
  return now;
}

/// Whether each layer's experts had enough to do to judge by.
bool tells(const std::vector<ExpertLoad>& load) {
  constexpr std::uint64_t rows = 16;  // of each expert, on an average
  return std::ranges::all_of(load, [](const ExpertLoad& layer) {
    return std::accumulate(layer.rows.begin(), layer.rows.end(), std::uint64_t{0}) >= rows * layer.rows.size();
  });
}

std::size_t replicas_of(const Graph& graph) {
  std::set<std::uint32_t> numbers;
  for (const GraphNode& node : graph.nodes) numbers.insert(node.replica);
  return numbers.size();
}

}  // namespace

Model::Impl::Impl(std::shared_ptr<Runtime::Impl> runtime, Checkpoint opened, const Graph& graph,
                  const LoadOptions& options, std::uint32_t context, host::Deployment deployment)
    : checkpoint(std::move(opened)),
      runtime_(std::move(runtime)),
      context_(context),
      places_(std::size_t{options.queue} + options.parallel),
      open_(std::make_shared<host::OpenRequests>(deployment.replicas.size() * places_)),
      sinks_(deployment.sinks),
      expert_rows_(deployment.expert_rows),
      prefetches_(deployment.prefetches),
      trace_(deployment.trace),
      builder_(std::move(deployment.builder)),
      graph_(graph) {
  // Who asks at once finds them, though their actors have yet to begin.
  for (std::uint32_t number = 0; number < deployment.replicas.size(); ++number) {
    const auto counters = board_->add(number);
    for (const KvGroup& group : deployment.replicas[number].plan.limits.kv) counters->kv_blocks += group.blocks;
  }
  // The tokenizer looks into the file, which stays open as long as an actor knows of it.
  const std::shared_ptr<const Tokenizer> tokenizer(checkpoint.impl(), checkpoint.impl()->tokenizer.get());
  ensemble_ = std::make_unique<host::Ensemble>(runtime_->control(), std::move(deployment.replicas), builder_, tokenizer,
                                               board_, log(), deployment.limit, deployment.prefix_weight);
  if (runtime_->metrics) {
    meter_.emplace("troupe.metrics", runtime_->metrics_interval, [this] { tell_metrics(); });
  }
  if (options.balance_experts.count() > 0) {
    balancer_.emplace("troupe.balance", options.balance_experts, [this] { balance_experts(); });
  }
}

Model::Impl::~Impl() {
  // Nobody holds a Generation any more. Of what is under way, the steps that are being run come to their end.
  const kernels::FloatingPointScope floats;  // the log is the host's
  balancer_.reset();
  meter_.reset();
  ensemble_.reset();
  builder_->close();
  open_->end_all({Code::aborted, "model closed"});
  log()(LogLevel::info, [&] { return "closed " + checkpoint.impl()->file.path; });
}

void Model::Impl::check_wait() const {
  process_.check();
  if (!runtime_->control().on_this_thread() && !builder_->on_its_thread()) return;
  throw Error(
      Code::invalid_argument,
      "this thread runs the model (in on_step, a logits sink, a stream's callback or the log's), which cannot go "
      "on while it waits for itself; wait on a thread of the host's");
}

Request Model::Impl::submit(std::shared_ptr<actors::Request> request, StreamCallbacks callbacks) {
  process_.check();
  const SequenceId id = request->sequence.id;
  Request handle(std::make_shared<Request::Impl>(weak_from_this(), process_, id));
  const auto tokens = static_cast<std::uint32_t>(request->sequence.prompt.size());
  auto stream = std::make_shared<host::CallbackStream>(handle, std::move(callbacks), tokens, open_, log());
  open_->enter(id, stream);
  try {
    ensemble_->submit(std::move(request), std::move(stream));
  } catch (...) {
    open_->withdraw(id);
    throw;
  }
  return handle;
}

Generation Model::Impl::submit(std::shared_ptr<actors::Request> request) {
  auto generation = host::make_retiring<Generation::Impl>(shared_from_this());
  generation->request = submit(std::move(request), generation->callbacks());
  return Generation(std::move(generation));
}

void Model::Impl::stop(SequenceId id, const Error& why) { ensemble_->stop(id, why); }

Stats Model::Impl::stats() const {
  const kernels::FloatingPointScope floats;
  Stats stats;
  open_->report(stats);
  stats.experts = expert_rows_->read();
  stats.prefetch = {prefetches_->reads,  prefetches_->bytes,    prefetches_->late,
                    prefetches_->wasted, prefetches_->mended,   std::chrono::nanoseconds(prefetches_->waited),
                    prefetches_->hits,   prefetches_->foreseen, prefetches_->misses};
  for (const ReplicaStats& replica : board_->read()) {
    stats.queued += replica.queued;
    stats.running += replica.running;
    stats.replicas.push_back(replica);
  }
  return stats;
}

void Model::Impl::write_trace(const std::string& path) const {
  if (trace_ == nullptr) {
    throw Error(Code::invalid_argument, "nothing has been recorded: load the model with trace_events, as 131072");
  }
  trace::write(trace_->read(), path).value();
}

void Model::Impl::tell_metrics() const noexcept {
  try {
    const Stats now = stats();
    const kernels::HostFloatingPointScope floats;
    runtime_->metrics(checkpoint.impl()->file.path, now);
  } catch (...) {  // metrics that fail are no reason for anything else to fail
  }
}

std::vector<std::uint32_t> Model::Impl::replicate(std::uint32_t count) {
  constexpr std::uint32_t most = 256;
  check_wait();
  if (count < 1 || count > most) {
    throw Error(Code::invalid_argument, "replicate is asked for " + std::to_string(count) +
                                            " replicas; it must be between 1 and " + std::to_string(most));
  }
  return noted(ensemble_->replicate(count));
}

std::vector<std::uint32_t> Model::Impl::replace(const Graph& graph) {
  check_wait();
  const std::lock_guard lock(changing_);
  auto numbers = noted(ensemble_->replace(builder_->orders_of(graph).value()));
  graph_ = graph;
  return numbers;
}

/// Where it pays: what streams wait for a change is more than a few hundredths of what they would gain.
void Model::Impl::balance_experts() noexcept {
  constexpr double worth_it = 0.1;  // of an even share
  try {
    const kernels::FloatingPointScope floats;
    const std::vector<ExpertLoad> now = expert_rows_->read(), load = load_since(balanced_for_, now);
    if (!tells(load)) return;
    balanced_for_ = now;
    const std::lock_guard lock(changing_);
    if (board_->read().size() != replicas_of(graph_)) return;
    Graph other = graph_;
    other.balance_experts(load);
    const double before = busiest_share(graph_, load), after = busiest_share(other, load);
    if (before - after < worth_it) return;
    (void)noted(ensemble_->replace(builder_->orders_of(other).value()));
    graph_ = std::move(other);
    log()(LogLevel::info, [&] {
      return "experts are dealt out anew: the busiest ranks had " + trace::fixed(before, 2) +
             " times an even share, now " + trace::fixed(after, 2);
    });
  } catch (const std::exception& thrown) {  // the old graph serves on
    log()(LogLevel::warning, [&] { return std::string("experts are not dealt out anew: ") + thrown.what(); });
  }
}

/// As many more requests may come as there are replicas more.
std::vector<std::uint32_t> Model::Impl::noted(Result<actors::Changed> changed) {
  const auto [numbers, gone] = std::move(changed).value();
  open_->add_room(static_cast<std::ptrdiff_t>(places_) * (std::ssize(numbers) - static_cast<std::ptrdiff_t>(gone)));
  return numbers;
}

void Model::Impl::drain(std::uint32_t replica) {
  check_wait();
  ensemble_->drain(replica).value();
  open_->add_room(-static_cast<std::ptrdiff_t>(places_));
}

Model::Model(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const Checkpoint& Model::checkpoint() const { return host::held(impl_, "the model").checkpoint; }

Stats Model::stats() const { return host::held(impl_, "the model").stats(); }

void Model::write_trace(const std::string& path) const {
  const kernels::FloatingPointScope floats;
  host::held(impl_, "the model").write_trace(path);
}

std::vector<std::uint32_t> Model::replicate(std::uint32_t count) const {
  const kernels::FloatingPointScope floats;
  return host::held(impl_, "the model").replicate(count);
}

std::vector<std::uint32_t> Model::replace(const Graph& graph) const {
  const kernels::FloatingPointScope floats;
  return host::held(impl_, "the model").replace(graph);
}

void Model::drain(std::uint32_t replica) const {
  const kernels::FloatingPointScope floats;
  host::held(impl_, "the model").drain(replica);
}

}  // namespace troupe
