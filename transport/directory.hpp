#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "transport/transport.hpp"

namespace troupe::transport {

/// What is wrong with a spec by itself.
[[nodiscard]] Result<void> check(const ChannelSpec& spec);
[[nodiscard]] Result<void> check(const GroupSpec& spec, int rank);

/// For error messages: "channel a (slots: 2, of 64 bytes)", "group b (ranks: 3)".
[[nodiscard]] std::string describe(const ChannelSpec& spec);
[[nodiscard]] std::string describe(const GroupSpec& spec);

/// How the ends of one process find each other: what the ends of a name share is made for the first of them, given to
/// the others, and forgotten when all of them have let go of it. Any thread.
template <class Spec, class Shared>
class Directory {
 public:
  /// What `end` of a name ("sender", "rank 1") shares with the others; `make()` makes it. Each end joins once.
  template <class Make>
  Result<std::shared_ptr<Shared>> join(const Spec& spec, const std::string& end, const Make& make) {
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [](const auto& entry) { return entry.second.shared.expired(); });
    const auto found = entries_.find(spec.name);
    auto shared = found == entries_.end() ? nullptr : found->second.shared.lock();
    if (shared == nullptr) {
      shared = make();
      entries_.insert_or_assign(spec.name, Entry{spec, shared, {end}});
      return shared;
    }
    Entry& entry = found->second;
    if (!(entry.spec == spec))
      return Error(Code::invalid_argument, "a " + end + " asks for " + describe(spec) + ", another end for " +
                                               describe(entry.spec) + "; they must be the same");
    if (!entry.ends.insert(end).second)
      return Error(Code::invalid_argument, describe(spec) + " has a " + end + " already; there can be only one");
    return shared;
  }

 private:
  struct Entry {
    Spec spec;
    std::weak_ptr<Shared> shared;
    std::set<std::string> ends;  ///< that have joined
  };
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace troupe::transport
