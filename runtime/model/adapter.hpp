#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "runtime/model/model_file.hpp"

namespace troupe {

/// What an adapter adds to a matrix W, [rows][columns], of a model (LoRA, Hu et al. 2021): of W x it makes
/// W x + factor * B (A x).
struct LowRank {
  FileTensor a, b;  ///< [rank][columns], [rows][rank]; of the embedding, whose rows are looked up, a is [rows][rank],
                    ///< b [columns][rank]
  std::uint32_t rank;
  float factor;
};

/// Views into an adapter's file, checked against the model.
struct Adapter {
  std::string path;                                      ///< on one line
  std::map<std::string, LowRank, std::less<>> matrices;  ///< by the name of W

  /// Null where it leaves a matrix as it is.
  [[nodiscard]] const LowRank* find(std::string_view matrix) const;
};

/// What an adapter may change.
struct AdaptedModel {
  const ModelFile& file;
  std::string_view embedding;           ///< of its tensors
  std::set<std::string_view> matrices;  ///< of its tensors, those that are multiplied with, or looked up in
};

/// Reads an adapter in llama.cpp's format: pairs "<name of W>.lora_a" and ".lora_b" of F32, F16 or BF16. `scale` is the
/// host's: the factor is scale * alpha / rank, and the scale alone where the file has no alpha. Everything in it must
/// have its place; the error names all that has none.
[[nodiscard]] Result<Adapter> read_adapter(const ModelFile& file, const AdaptedModel& model, float scale);

}  // namespace troupe
