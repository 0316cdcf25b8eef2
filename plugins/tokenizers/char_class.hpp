#pragma once

#include <cstdint>

namespace troupe::plugins {

/// What pre-tokenizers tell apart: \p{L}, \p{N}, \s (White_Space) and all the rest.
enum class CharClass : std::uint8_t { other, letter, number, space };

[[nodiscard]] CharClass char_class(char32_t code);

}  // namespace troupe::plugins
