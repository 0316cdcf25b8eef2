#include "runtime/program/executor.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>

namespace troupe::testing {
namespace {

/// Notes what it runs; holds up at step 2 until it is aborted.
class Runner final : public StepRunner {
 public:
  struct Notes {
    std::vector<StepId> ran;
    std::promise<void> holds, aborted;
    bool gone = false;
  };
  explicit Runner(Notes& notes) : notes_(notes) {}
  ~Runner() override { notes_.gone = true; }
  StepOutcome run(const Step& step) override {
    notes_.ran.push_back(step.id);
    if (step.id != 2) return {.id = step.id};
    notes_.holds.set_value();
    notes_.aborted.get_future().wait();
    return {.id = step.id, .broken = Error(Code::aborted, "enough")};
  }
  void abort(const Error&) override { notes_.aborted.set_value(); }

 private:
  Notes& notes_;
};

std::shared_ptr<const Step> step(StepId id) { return std::make_shared<const Step>(Step{.id = id}); }

/// Throws at step 2.
class Clumsy final : public StepRunner {
 public:
  using Thrower = void (*)();
  Clumsy(Thrower thrower, std::atomic<int>& aborts) : thrower_(thrower), aborts_(aborts) {}
  StepOutcome run(const Step& step) override {
    if (step.id == 2) thrower_();
    return {.id = step.id};
  }
  void abort(const Error&) override { ++aborts_; }

 private:
  Thrower thrower_;
  std::atomic<int>& aborts_;
};

}  // namespace

TEST_CASE("fault 6: what a runner throws breaks its step and all later ones, and wakes its peers", "[bad-input]") {
  struct Case {
    Clumsy::Thrower thrower;
    Code code;
  };
  for (const Case& thrown :
       {Case{[] { throw std::bad_alloc(); }, Code::out_of_memory},
        Case{[] { throw std::runtime_error("a plate"); }, Code::failed}, Case{[] { throw 5; }, Code::failed}}) {
    std::atomic<int> aborts{0};
    std::promise<void> last;
    std::vector<StepOutcome> outcomes;
    ThreadExecutor executor(std::make_unique<Clumsy>(thrown.thrower, aborts), -1,
                            std::make_shared<transport::Activity>());
    for (const StepId id : {1, 2, 3, 4}) {
      executor.submit(step(id), [&](StepOutcome outcome) {
        outcomes.push_back(std::move(outcome));
        if (outcomes.size() == 4) last.set_value();
      });
    }
    last.get_future().wait();
    for (std::size_t i = 0; i < outcomes.size(); ++i) CHECK(outcomes[i].id == i + 1);
    CHECK_FALSE(outcomes[0].broken);
    REQUIRE(outcomes[1].broken);
    CHECK(outcomes[1].broken->code() == thrown.code);
    CHECK(outcomes[2].broken);
    CHECK(outcomes[3].broken);
    CHECK(aborts == 1);
  }
}

TEST_CASE("an executor runs steps in order, none behind a broken one, and once it is stopped knows nothing more") {
  Runner::Notes notes;
  std::vector<StepOutcome> outcomes;
  ThreadExecutor executor(std::make_unique<Runner>(notes), -1, std::make_shared<transport::Activity>());
  const auto submit = [&](StepId id) {
    executor.submit(step(id), [&](StepOutcome outcome) { outcomes.push_back(std::move(outcome)); });
  };
  for (const StepId id : {1, 2, 3, 4}) submit(id);
  notes.holds.get_future().wait();
  std::thread stopper([&] {
    executor.abort({Code::aborted, "enough"});
    executor.stop();
  });
  stopper.join();
  CHECK(notes.gone);
  submit(5);
  executor.stop();
  REQUIRE(outcomes.size() >= 2);                  // step 3 may have come to its end before the stop
  CHECK(notes.ran == std::vector<StepId>{1, 2});  // what stands behind a broken step is not run
  for (std::size_t i = 0; i < outcomes.size(); ++i) CHECK(outcomes[i].broken.has_value() == (i >= 1));
  for (std::size_t i = 0; i < outcomes.size(); ++i) CHECK(outcomes[i].id == i + 1);
}

TEST_CASE("an executor that is dropped ends by itself") {
  Runner::Notes notes;
  { const ThreadExecutor executor(std::make_unique<Runner>(notes), -1, std::make_shared<transport::Activity>()); }
  CHECK(notes.gone);
  CHECK(notes.ran.empty());
}

}  // namespace troupe::testing
