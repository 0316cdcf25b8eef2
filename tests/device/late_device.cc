#include "tests/device/late_device.hpp"

#include <charconv>

#include "runtime/device/cpu/cpu_device.hpp"
#include "runtime/device/cpu/rules.hpp"
#include "tests/device/late_group.hpp"
#include "tests/device/on_processor.hpp"

namespace troupe::testing {
namespace {

bool forget_to_await(FusionSite& site) {
  const auto [reduce, await] = site.match<ops::AllReduce, ops::Await>();
  if (reduce == nullptr) return false;
  site.replace(2, ops::AllReduce(*reduce));
  return true;
}

/// All of the processor's, none, or all but those that await within a fused op.
std::vector<FusionRule> drawn_rules(std::uint64_t seed) {
  std::vector<FusionRule> rules;
  for (const FusionRule& rule : cpu_rules()) {
    const bool awaits = rule.name == "all-reduce + norm + residual";
    if (seed % 3 == 0 || (seed % 3 == 1 && !awaits)) rules.push_back(rule);
  }
  return rules;
}

class LateDevice : public OnProcessor {
 public:
  LateDevice(std::string name, std::uint64_t seed, std::vector<FusionRule> rules)
      : OnProcessor(cpu_kind.open({}, {}).value()), name_(std::move(name)), seed_(seed), rules_(std::move(rules)) {}

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] std::span<const FusionRule> rules() const override { return rules_; }
  [[nodiscard]] std::string_view packing() const override { return "late"; }
  [[nodiscard]] Result<std::unique_ptr<StepRunner>> make_runner(ShardParts parts) const override {
    for (auto& group : parts.groups) {
      const int rank = group->rank();
      group = std::make_shared<LateGroup>(std::move(group), seed_ + static_cast<std::uint64_t>(rank));
    }
    return OnProcessor::make_runner(std::move(parts));
  }

 private:
  std::string name_;
  std::uint64_t seed_;
  std::vector<FusionRule> rules_;
};

Result<std::uint64_t> seed_in(std::string_view argument) {
  std::uint64_t seed = 0;
  const auto read = std::from_chars(argument.data(), argument.data() + argument.size(), seed);
  if (read.ec == std::errc() && read.ptr == argument.data() + argument.size()) return seed;
  return Error(Code::invalid_argument, "a late device is named with its seed");
}

std::vector<std::string> names() { return {"late:<seed>"}; }

Result<std::shared_ptr<const Device>> open_late(std::string_view argument, const DeviceOptions&) {
  const auto seed = seed_in(argument);
  if (!seed) return seed.error();
  return {std::make_shared<const LateDevice>("late:" + std::string(argument), *seed, drawn_rules(*seed))};
}

Result<std::shared_ptr<const Device>> open_unawaited(std::string_view argument, const DeviceOptions&) {
  const auto seed = seed_in(argument);
  if (!seed) return seed.error();
  std::vector<FusionRule> rules{{"forget to await", forget_to_await}};
  return {std::make_shared<const LateDevice>("unawaited:" + std::string(argument), *seed, std::move(rules))};
}

}  // namespace

const DeviceKind late_kind{"late", names, open_late};
const DeviceKind unawaited_kind{"unawaited", [] { return std::vector<std::string>{}; }, open_unawaited};

}  // namespace troupe::testing
