#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/model/model_file.hpp"

namespace troupe {

/// The bytes of a model's parts but for the first, in order.
using OtherParts = std::vector<std::shared_ptr<const FileBytes>>;

/// Gets them; `count` is that of all parts.
using OpenParts = std::function<Result<OtherParts>(std::uint32_t count)>;

/// Of how many parts the model is whose first part this file is, by the keys that llama.cpp's gguf-split writes
/// ("split.no" and "split.count"); 1: it is whole. Of a later part, an error that says which one to open.
[[nodiscard]] Result<std::uint32_t> parts_of(const ModelFile& file);

/// Opens a model by its first part, or by all of it: the tensors of all parts side by side, as if it were one file,
/// with the first part's metadata. An error says on what the parts do not agree.
[[nodiscard]] Result<ModelFile> open_model(const FileFormat& format, const std::shared_ptr<const FileBytes>& first,
                                           const OpenParts& others);

/// The parts beside the first, by their names: "NAME-00002-of-00003.gguf" and so on. An error names all that are not
/// there.
[[nodiscard]] Result<OtherParts> open_parts_beside(const std::string& first, std::uint32_t count,
                                                   std::optional<bool> copy);

}  // namespace troupe
