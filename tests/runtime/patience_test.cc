#include <catch2/catch.hpp>
#include <future>

#include "runtime/program/executor.hpp"
#include "runtime/program/node_runners.hpp"
#include "tests/runtime/shard_fixture.hpp"

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

/// Holds the thread that has the row of this token.
template <int token>
void hold(const float*, std::size_t, float* x) {
  if (x[0] == token) holding->pass();
}

const ops::Any meet = ops::AllReduce{testing::Shard::fixed, 0, 0}, hold_up = testing::Shard::any_op();

/// A shard with as many threads as tokens, which runs these ops.
class Rank {
 public:
  Rank(const std::vector<ops::Any>& ops, std::shared_ptr<transport::Communicator> communicator,
       const Deadline& deadline, decltype(kernels::KernelTable::add) add = hold<0>) {
    for (const ops::Any& op : ops) shard_.append(op);
    shard_.kernels.add = add;
    shard_.program->events = 1;
    shard_.parts.groups = {std::move(communicator)};
    shard_.parts.deadline = deadline;
  }
  std::unique_ptr<StepRunner> runner() { return shard_.runner(2); }

 private:
  testing::Shard shard_;
};

/// Members of one replica, each with an executor. The test itself is at work until all have their step.
class Members {
 public:
  explicit Members(std::shared_ptr<Activity> activity, std::vector<TokenId> tokens = {0})
      : activity_(std::move(activity)), step_(std::make_shared<const Step>(testing::step_of(std::move(tokens)))) {
    activity_->begin_work();
  }
  void give(std::unique_ptr<StepRunner> runner) {
    executors_.push_back(std::make_unique<ThreadExecutor>(std::move(runner), -1, activity_));
    outcomes_.emplace_back();
    executors_.back()->submit(step_, [&outcome = outcomes_.back()](StepOutcome ran) { outcome.set_value(ran); });
  }
  void all_have_theirs() { activity_->end_work(); }
  StepOutcome outcome(std::size_t member) { return outcomes_[member].get_future().get(); }

 private:
  std::shared_ptr<Activity> activity_;
  std::shared_ptr<const Step> step_;
  std::deque<std::promise<StepOutcome>> outcomes_;
  std::vector<std::unique_ptr<ThreadExecutor>> executors_;
};

/// An actor that is held up.
struct Held final : Actor {
  void on_step(const StepView&) override { holding->pass(); }
};

transport::Tensor row(std::vector<float>& values) { return transport::tensor_of(values.data(), 1, values.size()); }

/// Passes on what comes.
struct Last final : StepRunner {
  Last(std::unique_ptr<transport::Receiver> in, Deadline deadline) : in_(std::move(in)), deadline_(deadline) {}
  StepOutcome run(const Step& step) override {
    std::vector<float> values(4);
    StepOutcome outcome{.id = step.id};
    if (const auto got = in_->receive(row(values), deadline_); !got) outcome.broken = got.error();
    return outcome;
  }
  void abort(const Error& why) override { in_->abort(why); }
  std::unique_ptr<transport::Receiver> in_;
  Deadline deadline_;
};

}  // namespace

TEST_CASE("fault 10: ranks wait for a rank whose step lasts many patiences") {
  for (const auto slow : {hold<0>, hold<1>}) {  // its first thread, its second
    Hold step;
    holding = &step;
    const auto activity = std::make_shared<Activity>();
    const Deadline deadline{patience, activity.get()};
    auto group = testing::group_in_memory(3, {0});
    Rank held({hold_up, meet}, std::move(group[0]), deadline, slow),
        longer({meet, meet}, std::move(group[1]), deadline), other({meet}, std::move(group[2]), deadline);
    Members members(activity, {0, 1});
    for (Rank* rank : {&held, &longer, &other}) members.give(rank->runner());
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
  auto in = testing::channel_in_memory(2, 64, {0}), out = testing::channel_in_memory(2, 64, {0});
  auto tokens = testing::channel_in_memory(2, 64, {0});
  std::vector<float> values(4, 1.0F);
  REQUIRE(in.sender->send(row(values), deadline).ok());
  Members members(activity);
  members.give(std::make_unique<ActorRunner>("held", std::make_unique<Held>(), Flow::hidden, 4, 1,
                                             TokenBoard(1, std::move(tokens.receiver)), std::move(in.receiver),
                                             testing::only(std::move(out.sender)), deadline));
  members.give(std::make_unique<Last>(std::move(out.receiver), deadline));
  members.all_have_theirs();
  step.open_after_many_patiences();
  CHECK_FALSE(members.outcome(0).broken);
  CHECK_FALSE(members.outcome(1).broken);
}

TEST_CASE("fault 10: a peer that never comes ends the wait for it", "[bad-input]") {
  const auto activity = std::make_shared<Activity>();
  const Deadline deadline{patience, activity.get()};
  auto group = testing::group_in_memory(2, {0});
  auto in = testing::channel_in_memory(2, 64, {0}), tokens = testing::channel_in_memory(2, 64, {0});
  Rank rank({meet}, std::move(group[0]), deadline);
  Members members(activity);
  members.give(rank.runner());
  members.give(std::make_unique<ActorRunner>("lonely", std::make_unique<Held>(), Flow::hidden, 4, 1,
                                             TokenBoard(1, std::move(tokens.receiver)), std::move(in.receiver),
                                             std::vector<std::unique_ptr<transport::Sender>>{}, deadline));
  members.all_have_theirs();
  for (std::size_t member : {0, 1}) {
    const StepOutcome outcome = members.outcome(member);
    REQUIRE(outcome.broken);
    CHECK(outcome.broken->code() == Code::deadline);
  }
}

}  // namespace troupe
