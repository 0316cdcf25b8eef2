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
    requests_.clear();
    positions_.clear();
    for (const StepRow& row : view.rows) {
      requests_.push_back(row.request);
      positions_.push_back(row.position);
    }
    const troupe_step step{.size = sizeof(troupe_step),
                           .step = view.step,
                           .rows = view.rows.size(),
                           .columns = view.in.columns,
                           .in = view.in.data,
                           .out = view.out.data,
                           .requests = requests_.data(),
                           .positions = positions_.data()};
    ask("a host's actor", [&](troupe_error* error) { return kind_->calls.on_step(self_, &step, error); });
  }

 private:
  std::shared_ptr<const Kind> kind_;
  void* self_;
  std::vector<std::uint64_t> requests_;
  std::vector<std::uint32_t> positions_;
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
