#pragma once

#include "runtime/device/device.hpp"

namespace troupe::testing {

/// The processor as a device whose transfers are done later: "late:<seed>". A collective is queued; another thread does
/// it, at once or when it is awaited, as the seed draws it; until then what it reads and writes holds nothing of use.
/// The seed also draws which ops are fused.
extern const DeviceKind late_kind;

/// The same, which forgets to await: "unawaited:<seed>".
extern const DeviceKind unawaited_kind;

}  // namespace troupe::testing
