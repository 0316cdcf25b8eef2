#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "runtime/c/boundary.hpp"
#include "runtime/c/troupe.h"
#include "troupe/generate.hpp"

namespace troupe::c {

/// A token as a host sees it, and what it points to, until the next one is shown.
class ShownToken {
 public:
  [[nodiscard]] troupe_token show(Token token);

 private:
  Token token_;
  std::vector<troupe_logprob> logprobs_;
};

/// How a stream has ended, as a host sees it; points into `finish`.
[[nodiscard]] troupe_finish shown(const Finish& finish);

/// The two calls of a host's, as functions that hold `release`.
[[nodiscard]] StreamCallbacks callbacks_of(const troupe_callbacks& host, const std::shared_ptr<Release>& release);

}  // namespace troupe::c
