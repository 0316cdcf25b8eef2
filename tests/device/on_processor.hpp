#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "runtime/device/device.hpp"

namespace troupe::testing {

/// A device whose memory and ops are the processor's: what those who differ in something else have in common.
class OnProcessor : public Device {
 public:
  explicit OnProcessor(std::shared_ptr<const Device> processor) : processor_(std::move(processor)) {}
  [[nodiscard]] Result<void> check(const Program& program) const override { return processor_->check(program); }
  [[nodiscard]] std::string_view packing() const override { return processor_->packing(); }
  [[nodiscard]] std::size_t weight_bytes(const Weight& weight) const override {
    return processor_->weight_bytes(weight);
  }
  [[nodiscard]] Result<std::vector<std::shared_ptr<const WeightPiece>>> pack(const std::vector<const Weight*>& weights,
                                                                             std::uint32_t threads,
                                                                             const Advanced& advanced) const override {
    return processor_->pack(weights, threads, advanced);
  }
  [[nodiscard]] std::size_t activation_bytes(const Program& program, std::size_t rows,
                                             std::uint32_t threads) const override {
    return processor_->activation_bytes(program, rows, threads);
  }
  [[nodiscard]] Result<std::unique_ptr<ProgramRunner>> make_runner(ProgramParts parts) const override {
    return processor_->make_runner(std::move(parts));
  }

 private:
  std::shared_ptr<const Device> processor_;
};

}  // namespace troupe::testing
