#include "actors/host/model.hpp"

#include <algorithm>
#include <utility>

#include "actors/host/callback_stream.hpp"
#include "actors/host/generation.hpp"
#include "kernels/floating_point.hpp"

namespace troupe {

Model::Impl::Impl(std::shared_ptr<Runtime::Impl> runtime, Checkpoint opened, const LoadOptions& options,
                  std::uint32_t context, host::Deployment deployment)
    : checkpoint(std::move(opened)),
      runtime_(std::move(runtime)),
      context_(context),
      open_(std::make_shared<host::OpenRequests>(deployment.replicas.size() *
                                                 (std::size_t{options.queue} + options.parallel))),
      deployment_(std::move(deployment)) {
  // The tokenizer looks into the file, which stays open as long as an actor knows of it.
  const std::shared_ptr<const Tokenizer> tokenizer(checkpoint.impl(), checkpoint.impl()->tokenizer.get());
  ensemble_ = std::make_unique<host::Ensemble>(runtime_->control(), deployment_.replicas, tokenizer, log());
  if (runtime_->metrics) meter_.emplace(runtime_->metrics_interval, [this] { tell_metrics(); });
}

Model::Impl::~Impl() {
  // Nobody holds a Generation any more. Of what is under way, the steps that are being run come to their end.
  const kernels::FloatingPointScope floats;  // the log is the host's
  meter_.reset();
  ensemble_.reset();
  for (auto& executor : deployment_.executors)
    executor->abort({Code::aborted, "model closed"});  // short: takes no memory
  for (auto& executor : deployment_.executors) executor->stop();
  open_->end_all({Code::aborted, "model closed"});
  log()(LogLevel::info, [&] { return "closed " + checkpoint.impl()->file.path; });
}

void Model::Impl::check_wait() const {
  process_.check();
  const auto& executors = deployment_.executors;
  if (!runtime_->control().on_this_thread() &&
      std::none_of(executors.begin(), executors.end(), [](const auto& e) { return e->on_this_thread(); })) {
    return;
  }
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
  for (std::uint32_t number = 0; number < deployment_.replicas.size(); ++number) {
    const ReplicaStats replica = deployment_.replicas[number].counters->read(number);
    stats.queued += replica.queued;
    stats.running += replica.running;
    stats.replicas.push_back(replica);
  }
  return stats;
}

void Model::Impl::tell_metrics() const noexcept {
  try {
    const Stats now = stats();
    const kernels::HostFloatingPointScope floats;
    runtime_->metrics(checkpoint.impl()->file.path, now);
  } catch (...) {  // metrics that fail are no reason for anything else to fail
  }
}

Model::Model(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const Checkpoint& Model::checkpoint() const { return host::held(impl_, "the model").checkpoint; }

Stats Model::stats() const { return host::held(impl_, "the model").stats(); }

std::vector<std::uint32_t> Model::replicate(std::uint32_t) const {
  throw Error(Code::unsupported, "replicas at run time are not there yet");
}

void Model::drain(std::uint32_t) const { throw Error(Code::unsupported, "replicas at run time are not there yet"); }

}  // namespace troupe
