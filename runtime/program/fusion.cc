#include "runtime/program/fusion.hpp"

namespace troupe {

bool FusionSite::inner(std::size_t count, ValueId id) const {
  if (id == program_.hidden || (!program_.tail.empty() && id == program_.logits)) return false;
  const Op* const first = ops_.data() + at_;
  bool touched = false;
  for (const auto* ops : {&program_.body, &program_.tail}) {
    for (const Op& op : *ops) {
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
    for (auto* ops : {&program.body, &program.tail}) {
      for (std::size_t at = 0; at < ops->size(); ++at) {
        FusionSite site(program, *ops, at);
        while (rule.apply(site)) {
        }
      }
    }
  }
}

}  // namespace troupe
