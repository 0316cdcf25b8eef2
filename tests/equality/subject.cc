#include "tests/equality/subject.hpp"

#include <algorithm>
#include <cstring>
#include <future>
#include <optional>
#include <random>

#include "actors/host/runtime.hpp"
#include "kernels/kv_layout.hpp"
#include "tests/equality/mates.hpp"

namespace troupe::testing {
namespace {

constexpr std::size_t most_with_reference = 3, most_with_reference_if_tiny = 65, most_with_much_ado = 65;
constexpr std::size_t most_from_disk = 24;  // of a real model: every step reads all of it

std::uint64_t hash_of(std::span<const float> logits) { return XXH3_64bits(logits.data(), logits.size_bytes()); }

/// On either side of each edge of a block that a prompt of so many tokens has, and all of it.
std::vector<std::size_t> around_edges(std::size_t length) {
  std::vector<std::size_t> sizes;
  for (std::size_t edge = kernels::kv_block; edge < length; edge += kernels::kv_block) {
    sizes.insert(sizes.end(), {edge, edge + 1});
  }
  if (sizes.empty() || sizes.back() < length) sizes.push_back(length);
  return sizes;
}

/// Of a prompt, what the cache has when it has had all that is shorter: whole blocks, but not the last token.
std::size_t cached_of(std::size_t size) { return (size - 1) / kernels::kv_block * kernels::kv_block; }

}  // namespace

Subject::Subject(const std::string& path, std::size_t length, bool tiny, const LoadOptions& open)
    : tiny_(tiny), runtime_(Runtime::Impl::runtime_with(test_plugins())), checkpoint_(runtime_.open(path, open)) {
  text_ = checkpoint_.prompt(some_text(length));
  text_.resize(length);
  const Model model = runtime_.load(checkpoint_, {.threads = 1, .context = static_cast<std::uint32_t>(length)});
  model.logits(text_, true,
               [&](std::uint32_t, std::span<const float> logits) { expected_.push_back(hash_of(logits)); });
}

/// Which of the lengths a case can do in a second or two.
std::vector<std::size_t> Subject::bearable(const Case& run, std::vector<std::size_t> lengths) const {
  const std::size_t most = slow(run)                ? tiny_ ? most_with_reference_if_tiny : most_with_reference
                           : run.streamed && !tiny_ ? most_from_disk
                           : run.chunk == 1 || (!tiny_ && run.via != "memory" && run.devices.starts_with(late))
                               ? most_with_much_ado
                               : SIZE_MAX;
  for (std::size_t& length : lengths) length = std::min(length, most);
  std::sort(lengths.begin(), lengths.end(), std::greater<>());
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  return lengths;
}

std::string Subject::difference(const Case& run, std::vector<std::size_t> lengths) const {
  lengths = bearable(run, std::move(lengths));
  Happening happening(runtime_, checkpoint_, run, lengths[0]);
  std::optional<Mates> mates;
  if (run.mates) mates.emplace(happening.model(), text_, lengths[0]);
  std::string found;
  for (const std::size_t length : lengths) {
    happening.before(length, text_);
    found += compare_on_all(run, happening, length);
    found += happening.after();
  }
  if (mates) mates->stop();
  return found;
}

/// One prompt for each replica, all at once.
std::string Subject::compare_on_all(const Case& run, Happening& happening, std::size_t length) const {
  Begun begun(0);
  std::vector<std::future<std::string>> replicas;
  for (std::size_t i = 0; i < happening.replicas(); ++i) {
    replicas.push_back(std::async(std::launch::async, [&] {
      if (run.meanwhile == Meanwhile::prefix_hits) return compare_behind_prefixes(happening.model(), length);
      return compare(happening.model(), length, begun);
    }));
  }
  if (run.meanwhile != Meanwhile::prefix_hits) begun.acquire();
  happening.during();
  std::string found;
  for (auto& replica : replicas) found += replica.get();
  return found;
}

/// Of every position. Says when the first has come, or none will.
std::string Subject::compare(const Model& model, std::size_t length, Begun& begun) const {
  std::uint32_t seen = 0;
  Odd odd;
  const auto look = [&](std::uint32_t position, std::span<const float> logits) {
    if (seen == 0) begun.release();
    if (!odd.empty()) return;
    if (position != seen || hash_of(logits) != expected_[position]) return odd.assign(logits.begin(), logits.end());
    ++seen;
  };
  std::string found = "a prompt of " + std::to_string(length) + " tokens: ";
  try {
    model.logits({text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(length)}, true, look);
    if (seen == length) return {};
    found += odd.empty() ? "only " + std::to_string(seen) + " positions came" : where_it_differs(seen, odd);
  } catch (const Error& error) {
    found += error.message();
  }
  if (seen == 0) begun.release();
  return found + "\n";
}

/// Of the last position of one beginning after the other: each time the cache has the blocks of those before.
std::string Subject::compare_behind_prefixes(const Model& model, std::size_t length) const {
  std::string found;
  std::uint64_t hits = model.stats().cached_tokens;
  for (const std::size_t size : around_edges(length)) {
    Odd odd;
    model.logits({text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(size)}, false,
                 [&](std::uint32_t position, std::span<const float> logits) {
                   if (hash_of(logits) != expected_[position]) odd.assign(logits.begin(), logits.end());
                 });
    if (!odd.empty()) found += where_it_differs(static_cast<std::uint32_t>(size - 1), odd) + "\n";
    hits += cached_of(size);
  }
  const Stats stats = model.stats();
  if (stats.replicas.size() > 1 || stats.cached_tokens == hits) return found;
  return found + "the cache had " + std::to_string(stats.cached_tokens) + " tokens, not " + std::to_string(hits) + "\n";
}

std::string Subject::where_it_differs(std::uint32_t position, const Odd& logits) const {
  std::size_t count = 0;
  const Model right_one = runtime_.load(checkpoint_, {.threads = 1, .context = position + 1});
  right_one.logits({text_.begin(), text_.begin() + position + 1}, false,
                   [&](std::uint32_t, std::span<const float> right) {
                     for (std::size_t i = 0; i < right.size(); ++i)
                       count += std::memcmp(&right[i], &logits[i], sizeof(float)) != 0 ? 1 : 0;
                   });
  return "position " + std::to_string(position) + " is the first that differs, in " + std::to_string(count) + " of " +
         std::to_string(logits.size()) + " values";
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
