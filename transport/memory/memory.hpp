#pragma once

#include "transport/transport.hpp"

namespace troupe::transport {

/// "memory": between threads of this process, which meet in shared memory, spin and then sleep. Collectives are done
/// when they return.
extern const TransportKind memory;

}  // namespace troupe::transport
