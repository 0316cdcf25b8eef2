#include "runtime/program/fusion.hpp"

namespace troupe {

bool FusionSite::inner(std::size_t count, ValueId id) const {
  if (id == program_.hidden || id == program_.logits) return false;
  const Op* const first = ops_.data() + at_;
  bool touched = false;
  for (const Section& section : program_.sections) {
    for (const Op& op : section.ops) {
      if (&op >= first && &op < first + count) continue;
      for_each_value(op, [&](ValueId touches, Access) { touched |= touches == id; });
    }
  }
  return !touched;
}

void FusionSite::replace(std::size_t count, ops::Any what) {
  const auto first = ops_.begin() + static_cast<std::ptrdiff_t>(at_);
  first->what = std::move(what);
  ops_.erase(first + 1, first + static_cast<std::ptrdiff_t>(count));
}

void fuse(Program& program, std::span<const FusionRule> rules) {
  for (const FusionRule& rule : rules) {
    for (Section& section : program.sections) {
      for (std::size_t at = 0; at < section.ops.size(); ++at) {
        FusionSite site(program, section.ops, at);
        while (rule.apply(site)) {
        }
      }
    }
  }
}

}  // namespace troupe
