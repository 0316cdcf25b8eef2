#pragma once

#include <string>

namespace troupe::cli {

/// The file that a name stands for: smollm2 and gemma3 for those that samples/get_model.sh gets, unless there is a file
/// of that name; any other for itself. Throws Error (not_found) where such a file has not been got yet.
std::string model_file(const std::string& name);

}  // namespace troupe::cli
