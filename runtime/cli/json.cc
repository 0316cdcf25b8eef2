#include "runtime/cli/json.hpp"

#include <algorithm>
#include <boost/json/src.hpp>  // here alone: the library, compiled
#include <string>

#include "troupe/error.hpp"

namespace troupe::cli {

boost::json::value parse_json(std::string_view text) {
  boost::json::parser parser;
  boost::json::error_code error;
  const std::size_t read = parser.write_some(text.data(), text.size(), error);
  const std::size_t rest = std::min(text.find_first_not_of(" \t\r\n", read), text.size());
  if (!error && rest < text.size()) error = boost::json::error::extra_data;
  if (!error) return parser.release();
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(read), '\n');
  throw Error(Code::bad_file, "no JSON: line " + std::to_string(line) + ": " + error.message());
}

}  // namespace troupe::cli
