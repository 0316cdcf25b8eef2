#pragma once

#include <atomic>
#include <future>
#include <span>
#include <vector>

#include "troupe/troupe.hpp"

namespace troupe::testing {

/// Requests of unequal lengths that run beside another one for as long as this lives: two that decode on and on, and
/// others that come and go, one at a time.
class Mates {
 public:
  /// `length`: tokens of the longest prompt beside which they run.
  Mates(const Model& model, std::span<const TokenId> text, std::size_t length);
  Mates(const Mates&) = delete;
  Mates& operator=(const Mates&) = delete;
  ~Mates() { stopped_ = true; }

  /// Ends those that come and go. Throws the Error that one of them met.
  void stop() {
    stopped_ = true;
    passing_.get();
  }

 private:
  std::vector<Generation> decoding_;
  std::atomic<bool> stopped_ = false;
  std::future<void> passing_;
};

}  // namespace troupe::testing
