#pragma once

#include <cstddef>
#include <cstdint>

#include "troupe/error.hpp"

namespace troupe::jinja {

/// What rendering may use up. Once something is used up, everything that asks is refused.
class Budget {
 public:
  /// `steps`: expressions, rounds of loops, and work that grows with a value's size. `bytes`: of all texts and lists
  /// that are made on the way, the output among them; so the memory that is held can be no more.
  Budget(std::uint64_t steps, std::uint64_t bytes) : steps_(steps), bytes_(bytes) {}

  [[nodiscard]] bool spend(std::uint64_t steps = 1) { return take(steps_, steps); }
  /// Looking through so many bytes.
  [[nodiscard]] bool scan(std::size_t bytes) { return spend(bytes / 64 + 1); }
  /// Looking for a part in a text, which is quadratic where both repeat themselves.
  [[nodiscard]] bool search(std::size_t text, std::size_t part) {
    return scan(text) && (part >= text || scan((text - part) / 64 * part));
  }
  /// Making something of so many bytes; ask before it is made.
  [[nodiscard]] bool make(std::uint64_t bytes) { return take(bytes_, bytes) && spend(bytes / 256); }

 private:
  [[nodiscard]] static bool take(std::uint64_t& left, std::uint64_t wanted) {
    if (wanted > left) {
      left = 0;
      return false;
    }
    left -= wanted;
    return true;
  }

  std::uint64_t steps_, bytes_;
};

/// What a refusal of the budget means to whoever called.
[[nodiscard]] inline Error exhausted() {
  return {Code::failed, "takes more steps or memory than a conversation of this size may need"};
}

}  // namespace troupe::jinja
