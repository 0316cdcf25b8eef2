#pragma once

#include <vector>

#include "runtime/text/vocabulary.hpp"

namespace troupe {

/// The tokens that end a text by what they are called, whatever types the file gives them; in order.
[[nodiscard]] std::vector<TokenId> tokens_named_as_ends(const Vocabulary& vocabulary);

}  // namespace troupe
