#include "tests/equality/subject.hpp"

#include <algorithm>
#include <cstring>
#include <future>

#include "tests/equality/mates.hpp"

namespace troupe::testing {
namespace {

constexpr std::uint32_t context = 4096;
constexpr std::size_t most_with_reference = 3, most_with_single_tokens = 65;

/// Which of the lengths a case can do in a second or two.
std::vector<std::size_t> bearable(const Case& run, std::vector<std::size_t> lengths) {
  const std::size_t most = run.isa == "reference" || run.isa == mixed_isas ? most_with_reference
                           : run.chunk == 1                                ? most_with_single_tokens
                                                                           : SIZE_MAX;
  for (std::size_t& length : lengths) length = std::min(length, most);
  std::sort(lengths.begin(), lengths.end(), std::greater<>());
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  return lengths;
}

}  // namespace

Subject::Subject(const std::string& path, std::size_t length) : checkpoint_(runtime_.open(path)) {
  text_ = checkpoint_.prompt(some_text(length));
  text_.resize(length);
  RunningHash hash;
  load({}).logits(text_, true,
                  [&](std::uint32_t, std::span<const float> logits) { expected_.push_back(hash.add(logits)); });
}

Model Subject::load(const Case& run) const {
  LoadOptions options;
  options.plan = run.plan;
  options.threads = run.threads;
  options.chunk = run.chunk;
  if (run.isa != mixed_isas) options.isa = run.isa;
  options.fusion = run.fusion;
  options.context = context;
  options.parallel = run.mates ? 4 : 1;
  if (run.isa != mixed_isas) return runtime_.load(checkpoint_, options);
  Graph graph = checkpoint_.expand(options);
  const auto devices = devices_to_mix();
  std::size_t next = 0;
  for (GraphNode& node : graph.nodes) {
    if (node.kind == "shard") node.device = devices[next++ % devices.size()];
  }
  return runtime_.load(checkpoint_, graph, options);
}

std::string Subject::difference(const Case& run, std::vector<std::size_t> lengths) const {
  const Model model = load(run);
  lengths = bearable(run, std::move(lengths));
  std::optional<Mates> mates;
  if (run.mates) mates.emplace(model, text_, lengths[0]);
  std::string found;
  for (const std::size_t length : lengths) {
    std::vector<std::future<std::string>> replicas;
    for (std::size_t i = 0; i < replicas_of(run.plan); ++i) {
      replicas.push_back(std::async(std::launch::async, [&, length] { return compare(model, length); }));
    }
    for (auto& replica : replicas) found += replica.get();
  }
  if (mates) mates->stop();
  return found;
}

std::string Subject::compare(const Model& model, std::size_t length) const {
  RunningHash hash;
  std::uint32_t seen = 0;
  std::vector<float> odd;  // the logits of the first position that differs
  model.logits({text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(length)}, true,
               [&](std::uint32_t position, std::span<const float> logits) {
                 if (!odd.empty()) return;
                 if (position != seen || hash.add(logits) != expected_[position])
                   return odd.assign(logits.begin(), logits.end());
                 ++seen;
               });
  if (seen == length) return {};
  const std::string where = "a prompt of " + std::to_string(length) + " tokens: ";
  if (odd.empty()) return where + "only " + std::to_string(seen) + " positions came\n";
  return where + "position " + std::to_string(seen) + " is the first that differs, in " +
         std::to_string(values_that_differ(seen, odd)) + " of " + std::to_string(odd.size()) + " values\n";
}

std::size_t Subject::values_that_differ(std::uint32_t position, std::span<const float> logits) const {
  std::size_t count = 0;
  load({}).logits({text_.begin(), text_.begin() + position + 1}, false,
                  [&](std::uint32_t, std::span<const float> right) {
                    for (std::size_t i = 0; i < right.size(); ++i)
                      count += std::memcmp(&right[i], &logits[i], sizeof(float)) != 0 ? 1 : 0;
                  });
  return count;
}

std::string some_text(std::size_t words) {
  static constexpr const char* things[] = {"engine", "lighthouse", "river",      "committee",  "theorem",
                                           "garden", "telescope",  "7,5 litres", "naïve plan", "function f(x)"};
  static constexpr const char* deeds[] = {"follows",         "breaks",          "measures", "remembers",
                                          "is greater than", "quietly repairs", "returns",  "was painted by"};
  std::mt19937_64 random(7);
  const auto pick = [&](const auto& list) { return std::string(list[random() % std::size(list)]); };
  std::string text;
  for (std::size_t i = 0; i < words; i += 5) {
    text += "The " + pick(things) + " " + pick(deeds) + " the " + pick(things) + (i % 15 == 10 ? ".\n\n" : ". ");
  }
  return text;
}

}  // namespace troupe::testing
