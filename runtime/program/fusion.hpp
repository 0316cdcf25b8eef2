#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/program/program.hpp"
#include "troupe/error.hpp"

namespace troupe {

/// Where a fusion rule looks: the ops of a section from one on.
class FusionSite {
 public:
  /// `touches`: how often ops of the program touch each value; kept up to date.
  FusionSite(const Program& program, std::vector<Op>& ops, std::size_t at, std::vector<std::uint32_t>& touches)
      : program_(program), ops_(ops), at_(at), touches_(touches) {}

  /// Ops of these kinds, where they stand here, from the op `skip` places on, one after the other; else null pointers.
  /// They are valid until replace().
  template <class... Kinds>
  [[nodiscard]] std::tuple<const Kinds*...> match(std::size_t skip = 0) const {
    if (ops_.size() - at_ < skip + sizeof...(Kinds)) return {};
    return match_at<Kinds...>(ops_.data() + at_ + skip, std::index_sequence_for<Kinds...>());
  }

  /// Whether a value is touched by the first `count` ops here and by no others of the program, nor read by who runs it:
  /// then it need not be had.
  [[nodiscard]] bool inner(std::size_t count, ValueId id) const;

  /// Puts one op in place of the first `count`, where the last of them was; the others are no longer looked at.
  void replace(std::size_t count, ops::Any what);

  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  template <class... Kinds, std::size_t... i>
  static std::tuple<const Kinds*...> match_at(const Op* op, std::index_sequence<i...>) {
    if ((std::holds_alternative<Kinds>(op[i].what) && ...)) return {&std::get<Kinds>(op[i].what)...};
    return {};
  }

  const Program& program_;
  std::vector<Op>& ops_;
  std::size_t at_;
  std::vector<std::uint32_t>& touches_;
};

/// Rewrites a pattern of ops that begins at a site into fewer ops that give the same bits; false, and nothing changed,
/// where it does not begin there.
struct FusionRule {
  std::string_view name;  ///< as --fusion takes it: no white space, no comma
  bool (*apply)(FusionSite& site);
};

/// Applies every rule wherever it fits, in their order; where `only` names some, those. Program::fused says how often.
/// Fails with not_found where there is no such rule.
[[nodiscard]] Result<void> fuse(Program& program, std::span<const FusionRule> rules,
                                const std::vector<std::string>& only = {});

}  // namespace troupe
