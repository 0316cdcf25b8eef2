#include "plugins/tokenizers/pattern.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <string>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace troupe::plugins {
namespace {

constexpr std::uint32_t most_depth = 1000;

/// Every pattern here looks at a character a few times; no text may make one look much oftener.
std::uint32_t most_matching(std::size_t bytes) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(bytes, (1U << 31) / 16) * 16 + 10000);
}

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

pcre2_code* raw(const void* code) { return static_cast<pcre2_code*>(const_cast<void*>(code)); }

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 128> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

struct Pattern::Search::Memory {
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* limits = pcre2_match_context_create(nullptr);

  ~Memory() {
    pcre2_match_data_free(match);
    pcre2_match_context_free(limits);
  }
};

Pattern::Search::Search() : memory_(std::make_unique<Memory>()) {
  if (memory_->match == nullptr || memory_->limits == nullptr) throw std::bad_alloc();
  pcre2_set_depth_limit(memory_->limits, most_depth);
}

Pattern::Search::~Search() = default;

std::optional<Pattern::Match> Pattern::Search::next(const Pattern& pattern, std::string_view text, std::size_t from,
                                                    bool after_empty) {
  pcre2_set_match_limit(memory_->limits, most_matching(text.size()));
  const std::uint32_t options = after_empty ? PCRE2_NOTEMPTY_ATSTART : 0;
  const auto match = [&](auto* how, std::uint32_t more) {
    return how(raw(pattern.code_.get()), units(text), text.size(), from, options | more, memory_->match,
               memory_->limits);
  };
  int found = PCRE2_ERROR_JIT_STACKLIMIT;
  if (pattern.compiled_) found = match(pcre2_jit_match, 0);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(pcre2_match, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
  if (found == PCRE2_ERROR_NOMEMORY) throw std::bad_alloc();
  if (found < 0) return std::nullopt;
  const PCRE2_SIZE* const ends = pcre2_get_ovector_pointer(memory_->match);
  return Match{ends[0], ends[1]};
}

void Pattern::Free::operator()(Code* code) const { pcre2_code_free(raw(code)); }

Result<Pattern> Pattern::compile(std::string_view source) {
  int error = 0;
  PCRE2_SIZE place = 0;
  pcre2_code* const code = pcre2_compile(units(source), source.size(), PCRE2_UTF | PCRE2_UCP, &error, &place, nullptr);
  if (code == nullptr) {
    return Error(troupe::Code::failed, "the pattern " + std::string(source) + " cannot be compiled at byte " +
                                           std::to_string(place) + ": " + message_of(error));
  }
  const bool compiled = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;  // where it fails, matching is slower
  return Pattern(reinterpret_cast<Code*>(code), compiled);
}

std::size_t Pattern::memory_bytes() const {
  std::size_t code = 0, jit = 0;
  pcre2_pattern_info(raw(code_.get()), PCRE2_INFO_SIZE, &code);
  pcre2_pattern_info(raw(code_.get()), PCRE2_INFO_JITSIZE, &jit);
  return code + jit;
}

}  // namespace troupe::plugins
