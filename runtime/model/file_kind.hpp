#pragma once

#include <optional>
#include <span>
#include <string>

#include "runtime/model/model_file.hpp"

namespace troupe {

/// Where a file's keys say that it is no model, but an adapter, a projector or the like: what it is and what to do.
/// Looks at the metadata alone.
[[nodiscard]] std::optional<Error> other_than_model(const ModelFile& file);

/// The same where they do not say that it is a LoRA adapter.
[[nodiscard]] std::optional<Error> other_than_adapter(const ModelFile& file);

/// The same for a file that has no tensors at all.
[[nodiscard]] Error without_tensors(const ModelFile& file);

/// A file that no format's mark was found in: what it is, by its first bytes, and what to do. `known` are the formats
/// that can be opened.
[[nodiscard]] Error of_no_format(const FileBytes& file, const std::string& known);

}  // namespace troupe
