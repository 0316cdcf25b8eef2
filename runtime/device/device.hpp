#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/device/program_runner.hpp"
#include "runtime/program/fusion.hpp"

namespace troupe {

/// What a program runs on: how its weights lie there, what is fused, and who runs it. Immutable; any thread.
class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;  ///< "cpu:avx2"

  /// What it does better in fewer ops, in the order in which it is tried.
  [[nodiscard]] virtual std::span<const FusionRule> rules() const = 0;

  /// Unsupported, naming what of a program this device does not have.
  [[nodiscard]] virtual Result<void> check(const Program& program) const = 0;

  /// How its weights lie in memory: devices that say the same share them (see WeightStore).
  [[nodiscard]] virtual std::string_view packing() const = 0;
  [[nodiscard]] virtual std::size_t weight_bytes(const Weight& weight) const = 0;  ///< that packing takes
  /// As pack_weights.
  [[nodiscard]] virtual Result<std::vector<std::shared_ptr<const WeightPiece>>> pack(
      const std::vector<const Weight*>& weights, std::uint32_t threads, const Advanced& advanced) const = 0;

  /// Whether its runners can read matrices from disk as they need them, packed as the processor's are.
  [[nodiscard]] virtual bool streams() const { return false; }

  /// Bytes that a runner allocates, beside weights and KV blocks.
  [[nodiscard]] virtual std::size_t activation_bytes(const Program& program, std::size_t rows,
                                                     std::uint32_t threads) const = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<ProgramRunner>> make_runner(ProgramParts parts) const = 0;
};

/// What of the load options concerns devices.
struct DeviceOptions {
  std::string isa;  ///< of "cpu": LoadOptions::isa
};

/// A kind of device, by name. What follows the kind's name and a colon is the kind's own.
struct DeviceKind {
  std::string_view name;                ///< "cpu"
  std::vector<std::string> (*names)();  ///< devices that there are here: "cpu", "cpu:avx2"
  Result<std::shared_ptr<const Device>> (*open)(std::string_view argument, const DeviceOptions& options);
};

/// The device "kind" or "kind:argument"; where there is none (invalid_argument) the error says which there are.
[[nodiscard]] Result<std::shared_ptr<const Device>> open_device(std::span<const DeviceKind* const> kinds,
                                                                std::string_view name, const DeviceOptions& options);

/// Of all kinds, with commas between.
[[nodiscard]] std::string device_names(std::span<const DeviceKind* const> kinds);

}  // namespace troupe
