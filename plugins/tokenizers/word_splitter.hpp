#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "plugins/tokenizers/pattern.hpp"
#include "plugins/tokenizers/pre_tokenizers.hpp"

namespace troupe::plugins {

/// Cuts a text into words by a list of patterns: by a scanner of ours where there is one, else by PCRE2. Immutable; any
/// thread.
class WordSplitter {
 public:
  /// With `scanners` off every pattern is PCRE2's, for tests.
  [[nodiscard]] static Result<WordSplitter> make(Patterns patterns, bool scanners = true);

  /// The words' lengths in bytes, in order, none of them 0: every byte is in one. Bytes that are no UTF-8 count as
  /// characters of no class. Precondition: 32 bits count its bytes.
  [[nodiscard]] std::vector<std::uint32_t> split(std::string_view text) const;

  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct Gpt2 {
    bool single_digits;
  };
  using Stage = std::variant<Pattern, Gpt2>;

  [[nodiscard]] bool has_patterns() const;
  static void cut(std::string_view piece, const Stage& stage, Pattern::Search& search,
                  std::vector<std::uint32_t>& words);

  std::vector<Stage> stages_;
};

}  // namespace troupe::plugins
