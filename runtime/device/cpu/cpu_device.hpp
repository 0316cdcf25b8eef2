#pragma once

#include "kernels/table.hpp"
#include "runtime/device/device.hpp"

namespace troupe {

/// This processor: "cpu", with the best instruction set that it has or LoadOptions::isa, or "cpu:<isa>".
extern const DeviceKind cpu_kind;

/// The same over kernels of one's own, which must outlive it.
[[nodiscard]] std::shared_ptr<const Device> make_cpu_device(const kernels::KernelTable& kernels);

}  // namespace troupe
