#include "tests/device/late_device.hpp"

#include <charconv>

#include "runtime/device/cpu/cpu_device.hpp"
#include "runtime/device/cpu/rules.hpp"
#include "tests/device/device_address.hpp"
#include "tests/device/late_group.hpp"
#include "tests/device/late_runner.hpp"
#include "tests/device/on_processor.hpp"

namespace troupe::testing {
namespace {

bool forget_to_await(FusionSite& site) {
  const auto [reduce, await] = site.match<ops::ReduceRows, ops::Await>();
  if (reduce == nullptr) return false;
  site.replace(2, ops::ReduceRows(*reduce));
  return true;
}

/// All of the processor's, none, or all but those that await within a fused op.
std::vector<FusionRule> drawn_rules(std::uint64_t seed) {
  std::vector<FusionRule> rules;
  for (const FusionRule& rule : cpu_rules()) {
    const bool awaits = rule.name == "residual";
    if (seed % 3 == 0 || (seed % 3 == 1 && !awaits)) rules.push_back(rule);
  }
  return rules;
}

LoadedWeight moved(LoadedWeight weight) {
  weight.matrix.data = device_address(weight.matrix.data);
  weight.vector = device_address(weight.vector);
  return weight;  // the rows of an embedding are read from the file, on the host
}

/// The program's weights where the device has them, as its ops find them.
std::shared_ptr<const ShardWeights> within(const ShardWeights& weights) {
  auto found = std::make_shared<ShardWeights>(weights);
  for (LoadedWeight& weight : found->weights) weight = moved(weight);
  return found;
}

class LateDevice : public OnProcessor {
 public:
  LateDevice(std::string name, std::uint64_t seed, std::vector<FusionRule> rules, Forgets forgets = Forgets::nothing)
      : OnProcessor(cpu_kind.open({}, {}).value()),
        name_(std::move(name)),
        seed_(seed),
        rules_(std::move(rules)),
        forgets_(forgets) {}

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] std::span<const FusionRule> rules() const override { return rules_; }
  [[nodiscard]] std::string_view packing() const override { return "late"; }
  [[nodiscard]] Result<std::vector<std::shared_ptr<const WeightPiece>>> pack(const std::vector<const Weight*>& weights,
                                                                             std::uint32_t threads,
                                                                             const Advanced& advanced) const override {
    auto pieces = OnProcessor::pack(weights, threads, advanced);
    if (!pieces) return pieces;
    for (auto& piece : *pieces) {
      const std::shared_ptr<const Buffer> memory(piece, nullptr);  // what it lies in lives as long as it does
      piece = std::make_shared<const WeightPiece>(moved(piece->weight()), memory);
    }
    return pieces;
  }
  [[nodiscard]] Result<std::unique_ptr<ProgramRunner>> make_runner(ProgramParts parts) const override {
    std::uint64_t seed = seed_;
    for (auto& group : parts.groups) {
      seed += static_cast<std::uint64_t>(group->rank());
      group = std::make_shared<LateGroup>(std::move(group), seed);
    }
    parts.weights = within(*parts.weights);
    const auto program = parts.program;
    const std::size_t rows = parts.rows;
    auto runner = CpuRunner::create(std::move(parts), *kernels::find_table());
    if (!runner) return runner.error();
    return {std::make_unique<LateRunner>(std::move(*runner), program, rows, seed, forgets_)};
  }

 private:
  std::string name_;
  std::uint64_t seed_;
  std::vector<FusionRule> rules_;
  Forgets forgets_;
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

Result<std::shared_ptr<const Device>> open_unordered(std::string_view argument, const DeviceOptions&) {
  const auto seed = seed_in(argument);
  if (!seed) return seed.error();
  const Forgets forgets = *seed % 2 == 0 ? Forgets::copies_in : Forgets::ops;
  return {std::make_shared<const LateDevice>("unordered:" + std::string(argument), *seed, drawn_rules(*seed), forgets)};
}

std::vector<std::string> nameless() { return {}; }

}  // namespace

const DeviceKind late_kind{"late", names, open_late};
const DeviceKind unawaited_kind{"unawaited", nameless, open_unawaited};
const DeviceKind unordered_kind{"unordered", nameless, open_unordered};

}  // namespace troupe::testing
