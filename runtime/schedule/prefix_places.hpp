#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/kv_layout.hpp"
#include "troupe/runtime.hpp"

namespace troupe {

/// Which replica has lately been given prompts that begin alike, as pure data: what of one its KV cache is likely to
/// have. A guess by hashes, of so many blocks at most; the least recently given are forgotten. Nothing but speed hangs
/// on it.
class PrefixPlaces {
 public:
  static constexpr std::uint32_t block = kernels::kv_block;

  explicit PrefixPlaces(std::size_t most) : most_(most) {}

  /// Of a prompt a key for each whole block, of all its tokens from the first to that block's last.
  [[nodiscard]] static std::vector<std::uint64_t> keys(std::span<const TokenId> prompt, std::string_view salt);

  /// Tokens at a prompt's beginning that a replica has been given.
  [[nodiscard]] std::size_t matched(std::span<const std::uint64_t> keys, std::uint32_t replica) const;

  void note(std::span<const std::uint64_t> keys, std::uint32_t replica);

  /// A replica's cache has what another's has.
  void inherit(std::uint32_t from, std::uint32_t to);

  /// A replica's cache is gone.
  void forget(std::uint32_t replica);

 private:
  using Place = std::pair<std::uint32_t, std::uint64_t>;  ///< replica, key

  std::size_t most_;
  std::list<Place> given_;  ///< the latest first
  std::map<Place, std::list<Place>::iterator> index_;
};

}  // namespace troupe
