#pragma once

#include <memory>

#include "runtime/program/program.hpp"
#include "runtime/tiers/packed_units.hpp"
#include "runtime/tiers/prefetch_counts.hpp"
#include "runtime/tiers/stream_plan.hpp"

namespace troupe {

/// Reads packed units. One that cannot be read, or is not what was written, is packed anew from what it was made of,
/// and mended on disk. `with_ring`: see DiskReader. Throws std::system_error where the system has no more threads.
[[nodiscard]] std::unique_ptr<UnitReader> reader_of(std::shared_ptr<const PackedUnits> units,
                                                    std::shared_ptr<const Program> program,
                                                    std::shared_ptr<const StreamPlan> plan,
                                                    std::shared_ptr<PrefetchCounts> counts, bool with_ring = true);

}  // namespace troupe
