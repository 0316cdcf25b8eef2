#pragma once

#include "runtime/model/model_file.hpp"

namespace troupe::plugins {

/// GGUF versions 2 and 3, little-endian (github.com/ggml-org/ggml, docs/gguf.md).
/// Errors are Code::bad_file where the file breaks the format (with the byte where it does), Code::unsupported where it
/// is well formed and asks for something unknown here: an element type, big-endian numbers, tensors of more than two
/// dimensions; or is no whole model (see other_than_model).
extern const FileFormat gguf;

}  // namespace troupe::plugins
