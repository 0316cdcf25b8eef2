#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::plugins {

/// SentencePiece's mark for a space, U+2581.
inline constexpr std::string_view space_mark = "\xE2\x96\x81";

/// The text with every `from` replaced. Precondition: `from` is not empty.
[[nodiscard]] std::string replaced(std::string_view text, std::string_view from, std::string_view to);

/// 10 as "<0x0A>", the name of a byte's token.
[[nodiscard]] std::string name_of_byte(std::uint8_t byte);

/// And back; -1 for other texts.
[[nodiscard]] int byte_of_name(std::string_view name);

}  // namespace troupe::plugins
