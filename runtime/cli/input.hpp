#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "troupe/runtime.hpp"

namespace troupe::cli {

/// The bytes of a file, or of standard input where the name is "-". Throws Error where they cannot be read or are more
/// than 256 MiB.
std::string read_file(const std::string& name);

/// Writes a file anew. Throws Error where it cannot be written.
void write_file(const std::string& name, std::string_view bytes);

/// Ids with commas or white space between them. Throws Error (invalid_argument) naming the first that is none, or the
/// place between two commas that holds none.
std::vector<TokenId> parse_ids(std::string_view text);

}  // namespace troupe::cli
