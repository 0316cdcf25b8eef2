#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/model.hpp"

namespace troupe::cli {

/// One line of a batch: a prompt, or the messages of a conversation as JSON.
struct BatchLine {
  std::string prompt, messages;  ///< one of them is empty
};

/// Throws Error (bad_file), which says the line, where one is no object with a "prompt" or "messages".
std::vector<BatchLine> parse_batch(std::string_view text);

/// Runs each prompt, `parallel` at once, and prints a line of JSON for each, in order: {"text", "finish", "usage"}, and
/// "error" for one that failed. Where it `writes` nothing, prompts are only checked and computed. Returns how many
/// failed.
std::size_t run_batch(const Model& model, const std::vector<BatchLine>& lines,
                      const std::function<std::vector<TokenId>(const BatchLine&)>& ids_of,
                      const GenerateOptions& options, std::size_t parallel, bool writes);

}  // namespace troupe::cli
