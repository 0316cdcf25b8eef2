#include <catch2/catch.hpp>
#include <future>

#include "runtime/device/cpu/context.hpp"
#include "runtime/device/cpu/shard_runner.hpp"
#include "runtime/program/executor.hpp"
#include "runtime/program/node_runners.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;
using transport::Activity;
using transport::Deadline;

constexpr auto patience = 2ms, many_patiences = 60ms;

/// What holds a member up, as a long step or a debugger would.
struct Hold {
  std::promise<void> arrived, open;
  std::shared_future<void> opened = open.get_future().share();
  void pass() {
    arrived.set_value();
    opened.wait();
  }
  void open_after_many_patiences() {
    arrived.get_future().wait();
    std::this_thread::sleep_for(many_patiences);
    open.set_value();
  }
};
Hold* holding = nullptr;  // ops are plain functions

void run_hold(const Op&, OpContext& c) {
  if (c.thread() == 0) holding->pass();
}

void run_hold_other_thread(const Op&, OpContext& c) {
  if (c.thread() == 1) holding->pass();
}

void run_meet(const Op&, OpContext& c) {
  if (c.thread() == 0) {
    ShardState& shard = c.shard();
    std::int64_t one = 1;
    const transport::Tensor tensor{reinterpret_cast<std::byte*>(&one), transport::Element::i64, 1, 1, 1};
    const auto met = shard.communicator->all_reduce(shard.queue, tensor, tensor, shard.deadline);
    if (!met) c.fail(met.error());
  }
  c.barrier();
}

const OpKind hold{"hold", run_hold}, hold_other{"hold other", run_hold_other_thread}, meet{"meet", run_meet};

std::unique_ptr<StepRunner> shard_of(const std::vector<const OpKind*>& ops, std::uint32_t threads,
                                     std::shared_ptr<transport::Communicator> communicator, const Deadline& deadline) {
  auto program = std::make_shared<Program>();
  program->values.push_back({"hidden", ValueType::f32, 32});
  for (const OpKind* op : ops) program->body.push_back({.kind = op});
  ShardParts parts;
  parts.program = std::move(program);
  parts.weights = std::make_shared<ShardWeights>();
  parts.kernels = kernels::find_table();
  parts.rows = 1;
  parts.threads = threads;
  parts.policy.spins = 0;
  parts.deadline = deadline;
  parts.communicator = std::move(communicator);
  parts.tokens = std::make_unique<TokenBoard>(1, transport::make_in_process_channel(1, 64, {}));
  return ShardRunner::create(std::move(parts)).value();
}

/// Members of one replica, each with an executor. The test itself is at work until all have their step.
class Members {
 public:
  explicit Members(std::shared_ptr<Activity> activity) : activity_(std::move(activity)) { activity_->begin_work(); }
  void give(std::unique_ptr<StepRunner> runner) {
    executors_.push_back(std::make_unique<ThreadExecutor>(std::move(runner), -1, activity_));
    outcomes_.emplace_back();
    executors_.back()->submit(step_, [&outcome = outcomes_.back()](StepOutcome ran) { outcome.set_value(ran); });
  }
  void all_have_theirs() { activity_->end_work(); }
  StepOutcome outcome(std::size_t member) { return outcomes_[member].get_future().get(); }

 private:
  std::shared_ptr<Activity> activity_;
  std::shared_ptr<const Step> step_ = std::make_shared<const Step>(Step{.id = 1, .slices = {{.tokens = {0}}}});
  std::deque<std::promise<StepOutcome>> outcomes_;
  std::vector<std::unique_ptr<ThreadExecutor>> executors_;
};

/// An actor that is held up.
struct Held final : Actor {
  void on_step(const StepView&) override { holding->pass(); }
};

transport::Tensor row(std::vector<float>& values) {
  return {reinterpret_cast<std::byte*>(values.data()), transport::Element::f32, 1, values.size(), values.size()};
}

/// Passes on what comes.
struct Last final : StepRunner {
  Last(std::shared_ptr<transport::Channel> in, Deadline deadline) : in_(std::move(in)), deadline_(deadline) {}
  StepOutcome run(const Step& step) override {
    transport::Queue queue;
    std::vector<float> values(4);
    StepOutcome outcome{.id = step.id};
    if (const auto got = in_->receive(queue, row(values), deadline_); !got) outcome.broken = got.error();
    return outcome;
  }
  void abort(const Error& why) override { in_->abort(why); }
  std::shared_ptr<transport::Channel> in_;
  Deadline deadline_;
};

std::vector<std::shared_ptr<transport::Communicator>> group_of(int size) {
  auto ends = transport::make_in_process_group(size, {0});
  return {std::make_move_iterator(ends.begin()), std::make_move_iterator(ends.end())};
}

}  // namespace

TEST_CASE("fault 10: ranks wait for a rank whose step lasts many patiences") {
  for (const OpKind* slow : {&hold, &hold_other}) {
    INFO(slow->name);
    Hold step;
    holding = &step;
    const auto activity = std::make_shared<Activity>();
    const Deadline deadline{patience, activity.get()};
    const auto group = group_of(3);
    Members members(activity);
    members.give(shard_of({slow, &meet}, 2, group[0], deadline));
    members.give(shard_of({&meet, &meet}, 2, group[1], deadline));
    members.give(shard_of({&meet}, 1, group[2], deadline));
    members.all_have_theirs();
    step.open_after_many_patiences();
    for (std::size_t rank : {0, 2}) CHECK_FALSE(members.outcome(rank).broken);
    const StepOutcome second = members.outcome(1);  // it meets once more, and nobody comes
    REQUIRE(second.broken);
    CHECK(second.broken->code() == Code::deadline);
    CHECK(second.broken->message() == "all_reduce: the deadline passed before these of 3 ranks had arrived: 0, 2");
  }
}

TEST_CASE("fault 10: who comes after a host's actor waits for it") {
  Hold step;
  holding = &step;
  const auto activity = std::make_shared<Activity>();
  const Deadline deadline{patience, activity.get()};
  const std::shared_ptr<transport::Channel> in = transport::make_in_process_channel(2, 64, {0}),
                                            out = transport::make_in_process_channel(2, 64, {0});
  transport::Queue queue;
  std::vector<float> values(4, 1.0F);
  REQUIRE(in->send(queue, row(values), deadline).ok());
  Members members(activity);
  members.give(std::make_unique<ActorRunner>("held", std::make_unique<Held>(), Flow::hidden, 4, 1, in,
                                             std::vector<std::shared_ptr<transport::Channel>>{out}, deadline));
  members.give(std::make_unique<Last>(out, deadline));
  members.all_have_theirs();
  step.open_after_many_patiences();
  CHECK_FALSE(members.outcome(0).broken);
  CHECK_FALSE(members.outcome(1).broken);
}

TEST_CASE("fault 10: a peer that never comes ends the wait for it", "[bad-input]") {
  const auto activity = std::make_shared<Activity>();
  const Deadline deadline{patience, activity.get()};
  Members members(activity);
  members.give(shard_of({&meet}, 2, group_of(2)[0], deadline));
  members.give(std::make_unique<ActorRunner>("lonely", std::make_unique<Held>(), Flow::hidden, 4, 1,
                                             transport::make_in_process_channel(2, 64, {0}),
                                             std::vector<std::shared_ptr<transport::Channel>>{}, deadline));
  members.all_have_theirs();
  for (std::size_t member : {0, 1}) {
    const StepOutcome outcome = members.outcome(member);
    REQUIRE(outcome.broken);
    CHECK(outcome.broken->code() == Code::deadline);
  }
}

}  // namespace troupe
