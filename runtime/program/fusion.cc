#include "runtime/program/fusion.hpp"

#include "runtime/text/joined.hpp"
#include "runtime/text/utf8.hpp"

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

/// What stays of a section's ops moves up as a rule passes over them, so that it passes once.
std::uint32_t apply(const FusionRule& rule, Program& program, std::vector<std::uint32_t>& touches) {
  std::uint32_t times = 0;
  for (Section& section : program.sections) {
    auto kept = section.ops.begin();
    for (std::size_t at = 0; at < section.ops.size(); ++at) {
      FusionSite site(program, section.ops, at, touches);
      while (rule.apply(site)) ++times;
      at = site.at();
      *kept++ = Op(section.ops[at]);
    }
    section.ops.erase(kept, section.ops.end());
  }
  return times;
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

Result<void> fuse(Program& program, std::span<const FusionRule> rules, const std::vector<std::string>& only) {
  for (const std::string& name : only) {
    if (std::ranges::find(rules, name, &FusionRule::name) != rules.end()) continue;
    std::vector<std::string_view> names;
    for (const FusionRule& rule : rules) names.push_back(rule.name);
    return Error(Code::invalid_argument, "there is no fusion rule " + quoted(name) + "; there are " + joined(names));
  }
  std::vector<std::uint32_t> touches = touches_of(program);
  for (const FusionRule& rule : rules) {
    if (!only.empty() && std::ranges::find(only, rule.name) == only.end()) continue;
    const std::uint32_t times = apply(rule, program, touches);
    if (times > 0) program.fused.push_back({rule.name, times});
  }
  return {};
}

}  // namespace troupe
