#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/program/program.hpp"

namespace troupe {

/// What an expert is chosen by. Softmax keeps the scores' order, and sigmoids do but where they are alike.
[[nodiscard]] float expert_rank(float score, const float* bias, std::size_t expert, Gating gating);

/// What chosen experts count, into weights [used]; false where one is no number.
[[nodiscard]] bool weigh_experts(const float* scores, std::size_t experts, const ExpertChoice& how, const float* chosen,
                                 float* weights);

/// Chooses a row's experts by the scores of all, into choice [2 * used] (see ops::Route); false where one is no number.
/// `bias`: [experts], of sigmoids, or null. `ranks`, [experts], is written to: what they are chosen by.
[[nodiscard]] bool choose_experts(const float* scores, const float* bias, std::size_t experts, const ExpertChoice& how,
                                  float* ranks, float* choice);

/// In a list of places: there is none.
inline constexpr std::uint32_t nowhere = UINT32_MAX;

/// Where each row goes for its experts, and where an expert's are. What has room for so many rows allocates nothing
/// later.
struct Routing {
  // Of the rows and guests that this rank has experts for.
  std::uint32_t used = 0;
  std::vector<std::uint32_t> place;    ///< [rows][used]: the routed row of each choice, or nowhere
  std::vector<std::uint32_t> row;      ///< [routed rows]
  std::vector<float> weight;           ///< [routed rows]
  std::vector<std::uint32_t> first;    ///< [experts here + 1]: routed row of each
  std::vector<std::uint32_t> number;   ///< [experts]: which of those here, or nowhere
  std::vector<std::uint8_t> overflow;  ///< [routed rows], see kernels::MatmulArgs
  std::vector<std::uint32_t> room;     ///< [experts]: see limit_experts

  // Where ranks share out the experts.
  std::vector<std::uint32_t> goes;           ///< [rows][used]: the rank whose expert is used, or nowhere
  std::vector<std::uint32_t> sent_row;       ///< [sent rows]: by rank
  std::vector<std::uint32_t> sent_at;        ///< [rows][ranks]: the sent row, or nowhere
  std::vector<std::size_t> gives, takes;     ///< [ranks]: sent rows, and guests
  std::vector<std::int32_t> told, all_told;  ///< [ranks], and of every rank: what it gives

  void reserve(const Program& program, std::size_t rows);

  /// For so many rows with these choices, [rows][2 * used]: lays the routed rows of the experts that are `here`, of so
  /// many; false where they are more than `most`, which only a peer's can be.
  [[nodiscard]] bool lay(const float* choices, std::size_t rows, std::uint32_t used,
                         std::span<const std::uint32_t> here, std::uint32_t experts, std::size_t most);

  /// For so many rows: which go to each of `ranks`, by number, where each expert is at `ranks_of` it. A rank that has
  /// it uses its `own`.
  void plan(const float* choices, std::size_t rows, std::uint32_t used,
            std::span<const std::vector<std::uint32_t>> ranks_of, std::uint32_t ranks, std::uint32_t own);

  /// Of the choice of a sent row, for the rank that it goes to: see ops::PickChoices.
  void pick_choice(std::size_t sent, const float* choices, float* picked) const;
};

/// Bytes that the routing of a program's steps takes.
[[nodiscard]] std::size_t routing_bytes(const Program& program, std::size_t rows);

}  // namespace troupe
