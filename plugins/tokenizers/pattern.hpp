#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "troupe/error.hpp"

namespace troupe::plugins {

/// A regular expression of a pre-tokenizer, in PCRE2's syntax, with Unicode's classes. Immutable; any thread.
class Pattern {
 public:
  /// Code::failed where it is no pattern, or there is no memory for it.
  [[nodiscard]] static Result<Pattern> compile(std::string_view source);

  struct Match {
    std::size_t begin, end;  ///< in bytes; may be empty
  };

  /// What one thread searches with.
  class Search {
   public:
    Search();  ///< throws std::bad_alloc
    ~Search();
    Search(const Search&) = delete;
    Search& operator=(const Search&) = delete;

    /// The first match at or behind byte `from`; with `after_empty`, which is for behind an empty match at `from`, none
    /// that is empty there. None where there is none, and where looking for it would go beyond what a sane pattern
    /// needs. Precondition: the text is UTF-8, and `from` the beginning of a character or the text's end.
    [[nodiscard]] std::optional<Match> next(const Pattern& pattern, std::string_view text, std::size_t from,
                                            bool after_empty);

   private:
    struct Memory;
    std::unique_ptr<Memory> memory_;
  };

  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct Code;
  struct Free {
    void operator()(Code* code) const;
  };
  Pattern(Code* code, bool compiled) : code_(code), compiled_(compiled) {}

  std::unique_ptr<Code, Free> code_;
  bool compiled_;  ///< to machine code
};

}  // namespace troupe::plugins
