#pragma once

#include "transport/transport.hpp"

namespace troupe::testing {

/// "bytes": the ends share a pair of sockets and nothing else. What passes is written as a header (shape, element,
/// length) and elements, and read into memory of the other side; a collective goes on until its event is waited for.
/// Stands in for a transport between processes: what works on it crosses by no pointer.
extern const transport::TransportKind bytes;

}  // namespace troupe::testing
