#include "runtime/program/fusion.hpp"

namespace troupe {
namespace {

std::vector<std::uint32_t> touches_of(const Program& program) {
  std::vector<std::uint32_t> touches(program.values.size(), 0);
  for (const Section& section : program.sections) {
    for (const Op& op : section.ops) {
      for_each_value(op, [&](ValueId id, Access) { ++touches[id]; });
    }
  }
  return touches;
}

}  // namespace

bool FusionSite::inner(std::size_t count, ValueId id) const {
  if (id == program_.hidden || id == program_.logits) return false;
  std::uint32_t here = 0;
  for (std::size_t i = 0; i < count; ++i) {
    for_each_value(ops_[at_ + i], [&](ValueId touched, Access) { here += touched == id ? 1 : 0; });
  }
  return here == touches_[id];
}

void FusionSite::replace(std::size_t count, ops::Any what) {
  for (std::size_t i = 0; i < count; ++i) {
    for_each_value(ops_[at_ + i], [&](ValueId id, Access) { --touches_[id]; });
  }
  const std::uint32_t layer = ops_[at_].layer;
  at_ += count - 1;
  ops_[at_] = {layer, std::move(what)};
  for_each_value(ops_[at_], [&](ValueId id, Access) { ++touches_[id]; });
}

/// What stays of a section's ops moves up as a rule passes over them, so that it passes once.
void fuse(Program& program, std::span<const FusionRule> rules) {
  std::vector<std::uint32_t> touches = touches_of(program);
  for (const FusionRule& rule : rules) {
    for (Section& section : program.sections) {
      auto kept = section.ops.begin();
      for (std::size_t at = 0; at < section.ops.size(); ++at) {
        FusionSite site(program, section.ops, at, touches);
        while (rule.apply(site)) {
        }
        at = site.at();
        *kept++ = Op(section.ops[at]);
      }
      section.ops.erase(kept, section.ops.end());
    }
  }
}

}  // namespace troupe
