#include <memory>
#include <utility>
#include <vector>

#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/sized.hpp"

namespace troupe::c {
namespace {

/// A kind of actor of the host's, for as long as someone may need it.
struct Kind {
  explicit Kind(const troupe_actor_kind& given) : calls(given), release(given.release, given.user) {}
  const troupe_actor_kind calls;
  Release release;
};

/// What a step's rows belong to, an array for each of their fields: so that rows can get more fields.
struct RowArrays {
  std::vector<std::uint64_t> requests;
  std::vector<std::uint32_t> positions;
  std::vector<std::int32_t> tokens;
  std::vector<const char*> users;
  std::vector<std::size_t> user_lengths;

  void fill(std::span<const StepRow> rows) {
    requests.clear(), positions.clear(), tokens.clear(), users.clear(), user_lengths.clear();
    for (const StepRow& row : rows) {
      requests.push_back(row.request);
      positions.push_back(row.position);
      tokens.push_back(row.token);
      users.push_back(row.user.data());
      user_lengths.push_back(row.user.size());
    }
  }
};

/// One actor of the host's.
class HostsActor final : public Actor {
 public:
  HostsActor(std::shared_ptr<const Kind> kind, const std::map<std::string, std::string>& options)
      : kind_(std::move(kind)), self_(kind_->calls.user) {
    if (kind_->calls.create == nullptr) return;
    std::vector<const char*> pairs;
    for (const auto& [name, value] : options) pairs.insert(pairs.end(), {name.c_str(), value.c_str()});
    self_ = nullptr;
    ask("a host's actor, in create,", [&](troupe_error* error) {
      return kind_->calls.create(kind_->calls.user, pairs.data(), options.size(), &self_, error);
    });
  }
  ~HostsActor() override {
    if (kind_->calls.create != nullptr && kind_->calls.destroy != nullptr) kind_->calls.destroy(self_);
  }

  void on_step(const StepView& view) override {
    rows_.fill(view.rows);
    const troupe_step step{.size = sizeof step,
                           .step = view.step,
                           .rows = view.rows.size(),
                           .columns = view.in.columns,
                           .in = view.in.data,
                           .out = view.out.data,
                           .requests = rows_.requests.data(),
                           .positions = rows_.positions.data(),
                           .tokens = rows_.tokens.data(),
                           .users = rows_.users.data(),
                           .user_lengths = rows_.user_lengths.data(),
                           .view = &view};
    ask("a host's actor", [&](troupe_error* error) { return kind_->calls.on_step(self_, &step, error); });
  }

 private:
  std::shared_ptr<const Kind> kind_;
  void* self_;
  RowArrays rows_;
};

void add(Runtime& runtime, const char* name, const troupe_actor_kind& kind) {
  if (kind.on_step == nullptr) {
    throw Error(Code::invalid_argument, "the actor kind has no on_step; it needs one");
  }
  const auto shared = std::make_shared<Kind>(kind);
  runtime.add_actor(name, [shared](const auto& options) { return std::make_unique<HostsActor>(shared, options); });
  shared->release.arm();
}

}  // namespace
}  // namespace troupe::c

using namespace troupe::c;

void troupe_actor_kind_default(troupe_actor_kind* kind, size_t size) { write(kind, size, troupe_actor_kind{}); }

troupe_status troupe_runtime_add_actor(troupe_runtime* runtime, const char* name, const troupe_actor_kind* kind,
                                       troupe_error* error) {
  return guarded(error, [&] {
    add(needed(runtime, "runtime").runtime, &needed(name, "name"),
        read(&needed(kind, "kind"), troupe_actor_kind{}, "troupe_actor_kind"));
  });
}

troupe_status troupe_step_fail(const troupe_step* step, size_t row, troupe_status status, const char* message) {
  return guarded(nullptr, [&] {
    if (status <= TROUPE_OK) throw troupe::Error(troupe::Code::invalid_argument, "the status is no failure");
    const auto& view = *static_cast<const troupe::StepView*>(needed(step, "step").view);
    view.fail(row, {code_of(status), message == nullptr ? troupe_status_name(status) : message});
  });
}
