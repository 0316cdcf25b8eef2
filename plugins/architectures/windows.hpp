#pragma once

#include <string_view>

#include "runtime/model/description.hpp"
#include "runtime/model/model_file.hpp"

namespace troupe::plugins {

/// What an architecture has where its files say nothing.
struct WindowDefaults {
  std::uint64_t positions = 0;  ///< 0: no layer has a window
  std::uint64_t period = 0;     ///< every so manieth layer sees all; 0: none does
};

/// Gives layers their windows: "<prefix>.attention.sliding_window" positions, for those that
/// "<prefix>.attention.sliding_window_pattern" says, by a truth for each or by the period. Without a window every layer
/// sees all.
[[nodiscard]] Result<void> read_windows(const ModelFile& file, std::string_view prefix, WindowDefaults defaults,
                                        ModelDescription& model);

/// Gives every layer the window of that key, or the usual one, where it is shorter than the context.
[[nodiscard]] Result<void> read_one_window(const ModelFile& file, std::string_view prefix, std::uint64_t usual,
                                           ModelDescription& model);

/// Gives layers with a window a rotation of their own: as `like`, but with "<prefix>.rope.freq_base_swa" where the file
/// has it.
[[nodiscard]] Result<void> rotate_windows(const ModelFile& file, std::string_view prefix, RotationShape like,
                                          ModelDescription& model);

}  // namespace troupe::plugins
