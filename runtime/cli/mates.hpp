#pragma once

#include <atomic>
#include <future>
#include <vector>

#include "troupe/runtime.hpp"

namespace troupe::cli {

/// Requests of unequal lengths that a model decodes beside another one, for as long as this lives.
class Mates {
 public:
  /// `count` prompts made of `ids`, shorter and longer than these. Half of them decode when this returns, the others
  /// still have their prompt before them. `context`: positions of a sequence. Throws Error.
  Mates(const Model& model, const std::vector<TokenId>& ids, std::size_t count, std::size_t context);
  Mates(const Mates&) = delete;
  Mates& operator=(const Mates&) = delete;
  ~Mates();

  /// Ends them. Throws the first Error that one of them met.
  void stop();

 private:
  std::atomic<bool> stopped_ = false;
  std::vector<std::future<void>> threads_;
};

}  // namespace troupe::cli
