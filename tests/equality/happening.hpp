#pragma once

#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "plugins/builtin.hpp"
#include "tests/equality/cases.hpp"
#include "tests/host/faulty.hpp"
#include "tests/seed.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {

/// The plug-ins of the product, the tests' transport by bytes, and the late device.
[[nodiscard]] plugins::Registry test_plugins();

/// A case's model, and what happens to it while it computes logits.
class Happening {
 public:
  /// `longest`: tokens of the longest prompt. `checkpoint`: opened with test_plugins().
  Happening(const Runtime& runtime, const Checkpoint& checkpoint, const Case& run, std::size_t longest);

  [[nodiscard]] const Model& model() const { return house_ ? *house_->model : *model_; }
  [[nodiscard]] std::size_t replicas() const { return replicas_.size(); }

  /// Before prompts of so many tokens go to each replica; `text` has as many and more.
  void before(std::size_t length, std::span<const TokenId> text);
  /// Once one of them has its first logits.
  void during();
  /// When all are through. Returns what has not happened, though it should have; empty otherwise.
  [[nodiscard]] std::string after();

 private:
  void read_from_disk(const Graph& graph, LoadOptions& options);
  void send_older_requests(std::size_t length, std::span<const TokenId> text);

  const TemporaryFolder folder_;
  const Case run_;
  const Checkpoint checkpoint_;
  Random random_;
  std::size_t shards_ = 0;      ///< of a replica
  std::size_t rows_ = 0;        ///< of a step at most
  std::size_t blocks_ = 0;      ///< that a sequence has at full context
  std::optional<Graph> other_;  ///< that will take the model's place
  std::optional<Model> model_;
  std::unique_ptr<FaultyHouse> house_;      ///< in its place, where replicas break
  std::vector<std::uint32_t> replicas_;     ///< that serve
  std::vector<Generation> older_requests_;  ///< which take blocks
};

}  // namespace troupe::testing
