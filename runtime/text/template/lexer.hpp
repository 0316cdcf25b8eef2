#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/error.hpp"

namespace troupe::jinja {

/// Where something stands in a template, from 1 on; columns are bytes.
struct Place {
  std::uint32_t line = 1, column = 1;
};

/// An error with the place where it is, on one line.
[[nodiscard]] Error at(Place place, const Error& error);

struct Token {
  enum class Kind : std::uint8_t {
    data,  ///< text between tags
    begin_output,
    end_output,
    begin_block,
    end_block,
    name,
    text,  ///< a string literal
    whole,
    real,
    mark,  ///< an operator or a bracket
    end,   ///< of the template; always the last
  };
  Kind kind;
  std::string text;  ///< of data and literals what they mean; of others as they are written
  Place place;
};

/// Cuts a template into tokens as Jinja2 does with trim_blocks and lstrip_blocks: white space around tags and comments
/// are gone. An error where it is not UTF-8, is longer than 256 KiB, or something in it has no end.
[[nodiscard]] Result<std::vector<Token>> cut(std::string_view text);

}  // namespace troupe::jinja
