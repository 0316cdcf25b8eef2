#pragma once

#include "plugins/formats/gguf_cursor.hpp"
#include "runtime/model/model_file.hpp"

namespace troupe::plugins {

/// The type of a metadata value and the value; arrays are checked to their last element and left where they are.
/// What is wrong is left in the cursor.
[[nodiscard]] MetaValue read_gguf_value(GgufCursor& in);

}  // namespace troupe::plugins
