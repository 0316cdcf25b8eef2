#pragma once

#include <catch2/catch.hpp>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/host/tiny_model.hpp"
#include "tests/model_files.hpp"
#include "troupe/troupe.hpp"

namespace troupe::testing {

using Ids = std::vector<TokenId>;

/// The tiny model, written once.
inline const std::string& tiny_path() {
  static const MemoryFile file(TinyModel{}.file());
  static const std::string path = file.path();
  return path;
}

/// The real model's path; where it is not on this machine, the test says so and goes without.
inline std::optional<std::string> smollm2_path() {
  const auto path = model_path(smollm2);
  if (std::filesystem::exists(path)) return path.string();
  WARN("skipped: there is no " << path.string() << "; samples/get_model.sh fetches it");
  return std::nullopt;
}

/// What a request came to.
struct Outcome {
  Ids ids;
  std::optional<Error> error;
  [[nodiscard]] std::optional<Code> code() const { return error ? std::optional(error->code()) : std::nullopt; }
};

inline Outcome read(Generation& stream) {
  Outcome outcome;
  try {
    while (auto token = stream.next()) {
      if (token->id != no_token) outcome.ids.push_back(token->id);
    }
  } catch (const Error& error) {
    outcome.error = error;
  }
  return outcome;
}

inline Outcome outcome_of(Generation stream) { return read(stream); }

inline GenerateOptions tokens(std::uint32_t count) { return {.max_tokens = count, .ignore_end = true}; }

/// The ids that a prompt is continued with.
inline Ids continued(const Model& model, const Ids& prompt, std::uint32_t count) {
  const Outcome outcome = outcome_of(model.generate(prompt, tokens(count)));
  INFO((outcome.error ? outcome.error->message() : ""));
  REQUIRE_FALSE(outcome.error);
  REQUIRE(outcome.ids.size() == count);
  return outcome.ids;
}

/// The error that a call ends with; one line.
template <class Call>
Error error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    CHECK(error.message().find('\n') == std::string::npos);
    CHECK_FALSE(error.message().empty());
    return error;
  }
  FAIL("no error");
  return {Code::failed, ""};
}

/// Holds up whoever passes until it is opened.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  void wait_for_arrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ > 0; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
};

/// An actor that is one function.
class Doing final : public Actor {
 public:
  explicit Doing(std::function<void(const StepView&)> what) : what_(std::move(what)) {}
  void on_step(const StepView& step) override { what_(step); }

 private:
  std::function<void(const StepView&)> what_;
};

inline ActorFactory factory_of(std::function<void(const StepView&)> what) {
  return [what](const std::map<std::string, std::string>&) { return std::make_unique<Doing>(what); };
}

/// Puts an actor of a kind into every edge that carries `flows`, of these replicas.
inline Graph with_actors(Graph graph, const std::string& kind, const std::string& flows, std::uint32_t replicas = 8) {
  const auto edges = graph.edges;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const auto replica = static_cast<std::uint32_t>(edges[i].from[1] - '0');  // "r0.s0.t0:hidden"
    if (edges[i].flows != flows || replica >= replicas) continue;
    graph.insert({.name = kind + std::to_string(i), .kind = kind, .replica = replica}, edges[i].from, edges[i].to);
  }
  return graph;
}

/// Of every position of a text, side by side.
inline std::vector<float> logits_of_two_blocks(const Model& model) {
  std::vector<float> all;
  model.logits(
      model.checkpoint().tokenize("a text of some seventy tokens, so that there are two blocks of the cache in it."),
      true, [&](std::uint32_t, std::span<const float> row) { all.insert(all.end(), row.begin(), row.end()); });
  return all;
}

}  // namespace troupe::testing
