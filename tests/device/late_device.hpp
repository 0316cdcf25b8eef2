#pragma once

#include "runtime/device/device.hpp"

namespace troupe::testing {

/// The processor as a device that does nothing at once: "late:<seed>". Ops and copies are done later, by another
/// thread, in an order that the seed draws, which events alone hold back (LateRunner); collectives by yet another, at
/// once or when they are awaited (LateGroup). Its weights lie where the host must not look. The seed also draws which
/// ops are fused.
extern const DeviceKind late_kind;

/// The same, which forgets to await collectives: "unawaited:<seed>".
extern const DeviceKind unawaited_kind;

/// The same, which where the seed is even begins ops before what they read has been copied in, and where it is odd
/// copies out what ops have yet to write: "unordered:<seed>".
extern const DeviceKind unordered_kind;

}  // namespace troupe::testing
