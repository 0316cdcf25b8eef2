#pragma once

#include <algorithm>
#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "actors/router.hpp"
#include "actors/sampler.hpp"
#include "actors/scheduler.hpp"
#include "actors/stage.hpp"
#include "actors/supervisor.hpp"
#include "tests/actors/fake_replica.hpp"
#include "tests/seed.hpp"

namespace troupe::testing {

/// Token 7 is the first two bytes of a euro sign, 8 the last one; the others print as their number and a space.
class FakeTokenizer final : public Tokenizer {
 public:
  FakeTokenizer() { end_ = {end_token}; }
  [[nodiscard]] std::vector<TokenId> encode(std::string_view, bool) const override { return {}; }
  [[nodiscard]] std::string piece(TokenId id, bool) const override {
    if (id == 7) return "\xE2\x82";
    if (id == 8) return "\xAC";
    return std::to_string(id) + " ";
  }
  [[nodiscard]] std::size_t size() const override { return 1000; }
  [[nodiscard]] std::size_t memory_bytes() const override { return 0; }
};

/// A host's end of a stream: keeps what comes.
class KeptStream final : public actors::Stream {
 public:
  std::optional<Error> push(Token token) override {
    REQUIRE_FALSE(over);
    text += token.text;
    if (token.id != no_token) tokens.push_back(token.id);
    if (tokens.size() == throws_at) return Error(Code::failed, "on_token threw: enough");
    return std::nullopt;
  }
  void begin(std::uint32_t) override {}
  void end(Finish how) override {
    if (over) return;
    over = true;
    reason = how.reason;
    stop = how.stop;
    why = std::move(how.error);
  }
  [[nodiscard]] std::optional<Code> code() const { return why ? std::optional(why->code()) : std::nullopt; }

  std::vector<TokenId> tokens;
  std::string text, stop;
  bool over = false;
  std::optional<FinishReason> reason;
  std::optional<Error> why;
  std::size_t throws_at = SIZE_MAX;
};

/// A supervisor and all below it on CAF's deterministic scheduler, the executors played. What happens next is drawn
/// from a seed: which actor takes its next message, which stage computes, which member reports, and whether the actors
/// that hear of it run at once, as where executors fill every core.
class StageDoor {
 public:
  StageDoor(std::uint32_t seed, BatchLimits limits, std::size_t replica_count = 1, std::size_t members = 1,
            actors::RestartLimit limit = {}, float prefix_weight = 1.0F)
      : random(seed),
        limits_(limits),
        members_(members),
        system_(with_test_scheduler(config_)),
        coordinator_(static_cast<caf::scheduler::test_coordinator&>(system_.scheduler())) {
    system_.await_actors_before_shutdown(false);
    std::vector<actors::Incarnation> made;
    for (Epoch epoch = 1; epoch <= replica_count; ++epoch) made.push_back({{epoch, {}, {}}, make_replica(epoch)});
    const actors::Log log([this](LogLevel level, std::string_view line) { logged.emplace_back(level, line); });
    router_ = system_.spawn(actors::router, log, limit.losses, prefix_weight);
    supervisor_ = system_.spawn(actors::supervisor, router_, std::move(made), builder_, tokenizer_, board, log, limit);
    run_actors();
  }
  ~StageDoor() {
    if (supervisor_) caf::anon_send_exit(supervisor_, caf::exit_reason::user_shutdown);
    run_actors();
    replicas.clear();  // what waits there knows actors
  }
  StageDoor(const StageDoor&) = delete;
  StageDoor& operator=(const StageDoor&) = delete;

  struct Wish {
    std::uint32_t prompt = 1, max_tokens = 1;
    bool ignore_end = false;
    std::optional<std::chrono::milliseconds> deadline{};
    std::vector<std::string> stop{};
  };

  SequenceId submit(const Wish& wish) {
    auto request = std::make_shared<actors::Request>();
    const SequenceId id = wishes.size() + 1;
    request->sequence = {.id = id, .prompt = std::vector<TokenId>(wish.prompt, 5), .max_tokens = wish.max_tokens};
    request->terms.max_tokens = wish.max_tokens;
    request->terms.ignore_end = wish.ignore_end;
    if (!wish.stop.empty()) request->terms.stop = StopStrings::create(wish.stop).value();
    if (wish.deadline) request->deadline = std::chrono::steady_clock::now() + *wish.deadline;
    request->stream = std::make_shared<KeptStream>();
    streams.push_back(std::static_pointer_cast<KeptStream>(request->stream));
    wishes.push_back(wish);
    caf::anon_send(router_, actors::Submit{std::move(request)});
    return id;
  }

  [[nodiscard]] std::future<Result<actors::Changed>> replicate(std::uint32_t count) {
    auto done = std::make_shared<std::promise<Result<actors::Changed>>>();
    auto answer = done->get_future();
    caf::anon_send(supervisor_, actors::Replicate{count, std::move(done)});
    return answer;
  }
  /// All replicas by so many others.
  [[nodiscard]] std::future<Result<actors::Changed>> replace(std::size_t count) {
    auto done = std::make_shared<std::promise<Result<actors::Changed>>>();
    auto answer = done->get_future();
    caf::anon_send(supervisor_, actors::Replace{std::vector<Order>(count), std::move(done)});
    return answer;
  }
  [[nodiscard]] std::future<Result<void>> drain(std::uint32_t replica) {
    auto done = std::make_shared<std::promise<Result<void>>>();
    auto answer = done->get_future();
    caf::anon_send(supervisor_, actors::Drain{replica, std::move(done)});
    return answer;
  }

  void stop(SequenceId id) {
    caf::anon_send(router_, actors::Stop{id, Error(Code::cancelled, "the request was cancelled")});
  }

  /// Lets one thing happen; false where nothing can.
  bool turn() {
    std::vector<std::function<void()>> possible;
    if (coordinator_.has_job()) possible.emplace_back([&] { run_actor(); });
    for (const auto& replica : replicas) {
      for (auto& report : replica->reports()) possible.push_back(std::move(report));
      for (std::uint32_t stage = 0; stage < replica->limits().stages; ++stage) {
        if (replica->can_compute(stage)) possible.emplace_back([&, stage] { replica->compute(stage); });
      }
    }
    if (!builder_->jobs.empty()) possible.emplace_back([&] { builder_->run_one(); });
    if (possible.empty()) return false;
    possible[random() % possible.size()]();
    return true;
  }
  void run() {
    while (turn()) {
    }
  }
  void run_actors() {
    while (coordinator_.has_job()) run_actor();
  }
  void pass_time(std::chrono::milliseconds time) { coordinator_.advance_time(time); }
  [[nodiscard]] bool timers() { return coordinator_.clock().has_pending_timeout(); }

  /// Whichever replica a request comes to.
  void end_after(SequenceId id, std::uint32_t tokens) {
    ends_at_[id] = wishes[id - 1].prompt + tokens;
    for (const auto& replica : replicas) replica->ends_at = ends_at_;
  }
  void fail_at(SequenceId id, std::uint32_t position, std::uint32_t stage,
               const Error& why = {Code::out_of_range, "layer 3: too much"}) {
    fails_at_.insert({id, {position, stage, why}});
    for (const auto& replica : replicas) replica->fails_at = fails_at_;
  }

  [[nodiscard]] std::size_t unfinished() const {
    return std::count_if(streams.begin(), streams.end(), [](const auto& stream) { return !stream->over; });
  }

  /// What a stream should hold, had nothing gone wrong.
  [[nodiscard]] std::vector<TokenId> expected(SequenceId id) const {
    const Wish& wish = wishes[id - 1];
    const std::uint32_t count = wish.ignore_end ? wish.max_tokens : std::min(wish.max_tokens, ends_at(id));
    std::vector<TokenId> tokens;
    for (std::uint32_t i = 0; i < count; ++i)
      tokens.push_back(ends_at(id) == i ? end_token : fake_token(id, wish.prompt + i));
    return tokens;
  }
  [[nodiscard]] KeptStream& stream(SequenceId id) { return *streams[id - 1]; }

  void check_complete(SequenceId id) {
    INFO("request " << id << (stream(id).why ? ": " + stream(id).why->message() : ""));
    REQUIRE(stream(id).over);
    REQUIRE_FALSE(stream(id).why);
    REQUIRE(stream(id).tokens == expected(id));
  }
  /// It ended with this error, and what it has is the beginning of its text.
  void check_failed(SequenceId id, Code code) {
    INFO("request " << id);
    REQUIRE(stream(id).over);
    REQUIRE(stream(id).code() == code);
    check_prefix(id);
  }
  void check_prefix(SequenceId id) {
    const auto whole = expected(id);
    REQUIRE(stream(id).tokens.size() <= whole.size());
    REQUIRE(std::equal(stream(id).tokens.begin(), stream(id).tokens.end(), whole.begin()));
  }

  /// With nothing under way: no actor remembers a request, and every slot and block is free.
  void check_clean() {
    for (const auto& replica : replicas) REQUIRE(replica->idle());
    for (const auto& [number, replica] : supervisor_state().replicas) {
      if (!replica.scheduler) continue;
      const auto& scheduler = state<actors::SchedulerActor, actors::SchedulerState>(replica.scheduler);
      REQUIRE(scheduler.open.empty());
      REQUIRE(scheduler.under_way.empty());
      REQUIRE(scheduler.batcher->idle());
      REQUIRE(scheduler.batcher->free_blocks() == Batcher(limits_).free_blocks());
      REQUIRE(state<actors::SamplerActor, actors::SamplerState>(scheduler.sampler).open.empty());
      for (const auto& stage : scheduler.stages)
        REQUIRE(state<actors::StageActor, actors::StageState>(stage).pending.empty());
    }
    const auto& router = state<actors::RouterActor, actors::RouterState>(router_);
    REQUIRE(router.open.empty());
    REQUIRE(router.deadlines.empty());
    for (const auto& [number, replica] : router.replicas) REQUIRE(replica.owes == 0);
  }

  /// Ends the troupe, and checks that nothing is left of it.
  void close() {
    caf::anon_send_exit(supervisor_, caf::exit_reason::user_shutdown);
    run();
    REQUIRE(system_.registry().running() == 0);
    for (const auto& each : streams) REQUIRE(each->over);
    supervisor_ = nullptr;
    router_ = nullptr;
    builder_->jobs.clear();
    for (const auto& replica : replicas) REQUIRE(replica->released());
  }

  [[nodiscard]] actors::SchedulerActor scheduler_of(std::size_t replica) {
    return supervisor_state().replicas.at(static_cast<std::uint32_t>(replica)).scheduler;
  }
  [[nodiscard]] const actors::SupervisorState& supervisor_state() const {
    return state<actors::SupervisorActor, actors::SupervisorState>(supervisor_);
  }
  template <class Handle, class State>
  [[nodiscard]] static const State& state(const Handle& handle) {
    using Pointer = typename Handle::template stateful_pointer<State>;
    auto* const actor = dynamic_cast<Pointer>(caf::actor_cast<caf::abstract_actor*>(handle));
    REQUIRE(actor != nullptr);
    return actor->state;
  }
  template <class Handle>
  void kill(const Handle& actor) {
    caf::anon_send_exit(actor, caf::exit_reason::unhandled_exception);
  }
  [[nodiscard]] const actors::RouterActor& router() const { return router_; }
  [[nodiscard]] const actors::SupervisorActor& supervisor() const { return supervisor_; }

  Random random;
  std::vector<std::unique_ptr<FakeReplica>> replicas;
  std::vector<Wish> wishes;
  std::vector<std::shared_ptr<KeptStream>> streams;
  std::vector<std::pair<LogLevel, std::string>> logged;
  const std::shared_ptr<actors::ReplicaBoard> board = std::make_shared<actors::ReplicaBoard>();
  std::optional<Error> builds_fail;           ///< why whatever is built cannot be
  std::function<void(FakeReplica&)> on_made;  ///< called with each that is made later
  std::size_t blocks_carried = 0;             ///< from replicas to those that came in their place

 private:
  /// What a builder's thread would do is done when the test lets it.
  struct FakeBuilder final : actors::Builder {
    explicit FakeBuilder(StageDoor& house) : door(house) {}
    void build(Order order, Epoch instead_of, std::function<void(Result<actors::ReplicaPlan>)> done) override {
      jobs.emplace_back([this, epoch = order.epoch, instead_of, done = std::move(done)] {
        door.end_replica(instead_of);
        const auto why = door.builds_fail;
        done(why ? Result<actors::ReplicaPlan>(*why) : Result<actors::ReplicaPlan>(door.make_replica(epoch)));
      });
    }
    void carry_over(std::vector<actors::Legacy> legacies, std::function<void()> done) override {
      jobs.emplace_back([this, legacies = std::move(legacies), done = std::move(done)] {
        for (const actors::Legacy& legacy : legacies) door.carry(legacy);
        done();
      });
    }
    void retire(Epoch epoch, std::function<void()> done) override {
      jobs.emplace_back([this, epoch, done = std::move(done)] {
        door.end_replica(epoch);
        done();
      });
    }
    void run_one() {
      const auto job = std::move(jobs.front());
      jobs.pop_front();
      job();
    }
    StageDoor& door;
    std::deque<std::function<void()>> jobs;
  };

  void end_replica(Epoch epoch) {
    if (epochs_.contains(epoch)) epochs_.at(epoch)->end();
  }

  /// Its blocks hold nothing, so what they are to become is not looked at.
  void carry(const actors::Legacy& legacy) {
    end_replica(legacy.of);
    REQUIRE(pools_.at(legacy.of).use_count() == 1);  // its scheduler has ended
    REQUIRE(pools_.at(legacy.to).use_count() == 2);  // the supervisor has it, and no scheduler yet
    blocks_carried += pools_.at(legacy.to)->take_over(*pools_.at(legacy.of)).size();
  }

  actors::ReplicaPlan make_replica(Epoch epoch) {
    replicas.push_back(std::make_unique<FakeReplica>(limits_, members_));
    replicas.back()->fill_cores(random() % 2 == 0);
    replicas.back()->ends_at = ends_at_;
    replicas.back()->fails_at = fails_at_;
    epochs_[epoch] = replicas.back().get();
    if (on_made) on_made(*replicas.back());
    return {limits_, replicas.back()->executors(), pools_[epoch] = make_pool(limits_)};
  }

  [[nodiscard]] std::uint32_t ends_at(SequenceId id) const {
    const auto end = ends_at_.find(id);
    return end == ends_at_.end() ? UINT32_MAX : end->second - wishes[id - 1].prompt;
  }
  static caf::actor_system_config& with_test_scheduler(caf::actor_system_config& config) {
    config.set("scheduler.policy", caf::atom("testing"));
    return config;
  }
  void run_actor() {
    std::shuffle(coordinator_.jobs.begin(), coordinator_.jobs.end(), random);
    coordinator_.run_once();
  }

  const BatchLimits limits_;
  const std::size_t members_;
  std::map<Epoch, FakeReplica*> epochs_;
  std::map<Epoch, std::shared_ptr<KvPool>> pools_;
  std::map<SequenceId, std::uint32_t> ends_at_;  ///< positions
  std::multimap<SequenceId, FakeReplica::Failure> fails_at_;
  std::shared_ptr<FakeBuilder> builder_ = std::make_shared<FakeBuilder>(*this);
  std::shared_ptr<const Tokenizer> tokenizer_ = std::make_shared<FakeTokenizer>();
  caf::actor_system_config config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& coordinator_;
  actors::SupervisorActor supervisor_;
  actors::RouterActor router_;
};

}  // namespace troupe::testing
