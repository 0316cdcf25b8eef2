#pragma once

#include <boost/json.hpp>
#include <string_view>

namespace troupe::cli {

/// Throws Error (bad_file), which says the line, where the text is no JSON, or nests deeper than 32 levels.
boost::json::value parse_json(std::string_view text);

}  // namespace troupe::cli
