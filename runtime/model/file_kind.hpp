#pragma once

#include <optional>
#include <span>
#include <string>

#include "runtime/model/model_file.hpp"

namespace troupe {

/// Where a file's keys say that it is not a whole model, but an adapter, a projector, a part of a split file or the
/// like: what it is and what to do. Looks at the metadata alone.
[[nodiscard]] std::optional<Error> other_than_model(const ModelFile& file);

/// The same for a file that has no tensors at all.
[[nodiscard]] Error without_tensors(const ModelFile& file);

/// A file that no format's mark was found in: what it is, by its first bytes, and what to do. `known` are the formats
/// that can be opened.
[[nodiscard]] Error of_no_format(const FileBytes& file, const std::string& known);

}  // namespace troupe
