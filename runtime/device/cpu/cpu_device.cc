#include "runtime/device/cpu/cpu_device.hpp"

#include "runtime/device/cpu/cpu_runner.hpp"
#include "runtime/device/cpu/rules.hpp"
#include "runtime/text/joined.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

class CpuDevice : public Device {
 public:
  explicit CpuDevice(const kernels::KernelTable& kernels)
      : kernels_(kernels), name_("cpu:" + std::string(kernels.name)) {}

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] std::span<const FusionRule> rules() const override { return cpu_rules(); }

  /// It has every op.
  [[nodiscard]] Result<void> check(const Program&) const override { return {}; }

  /// Every instruction set reads the same (see kernels/packed.hpp).
  [[nodiscard]] std::string_view packing() const override { return "cpu"; }
  [[nodiscard]] std::size_t weight_bytes(const Weight& weight) const override { return troupe::weight_bytes(weight); }
  [[nodiscard]] Result<std::vector<std::shared_ptr<const WeightPiece>>> pack(const std::vector<const Weight*>& weights,
                                                                             std::uint32_t threads,
                                                                             const Advanced& advanced) const override {
    return pack_weights(weights, threads, advanced);
  }
  [[nodiscard]] bool streams() const override { return true; }
  [[nodiscard]] std::size_t activation_bytes(const Program& program, std::size_t rows,
                                             std::uint32_t threads) const override {
    return troupe::activation_bytes(program, rows, threads);
  }
  [[nodiscard]] Result<std::unique_ptr<ProgramRunner>> make_runner(ProgramParts parts) const override {
    auto runner = CpuRunner::create(std::move(parts), kernels_);
    if (!runner) return runner.error();
    return std::unique_ptr<ProgramRunner>(std::move(*runner));
  }

 private:
  const kernels::KernelTable& kernels_;
  std::string name_;
};

std::string known_isas() { return joined(kernels::tables(), &kernels::KernelTable::name); }

std::vector<std::string> names() {
  std::vector<std::string> all{"cpu"};
  for (const kernels::KernelTable* table : kernels::tables()) all.push_back("cpu:" + std::string(table->name));
  return all;
}

Result<std::shared_ptr<const Device>> open(std::string_view argument, const DeviceOptions& options) {
  const std::string_view isa = argument.empty() ? std::string_view(options.isa) : argument;
  const kernels::KernelTable* const table = kernels::find_table(isa);
  if (table != nullptr) return make_cpu_device(*table);
  return Error(Code::invalid_argument, "isa " + quoted(isa) + " cannot run here; this processor has " + known_isas());
}

}  // namespace

const DeviceKind cpu_kind{"cpu", names, open};

std::shared_ptr<const Device> make_cpu_device(const kernels::KernelTable& kernels) {
  return std::make_shared<CpuDevice>(kernels);
}

}  // namespace troupe
