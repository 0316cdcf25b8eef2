#pragma once

#include <memory>

#include "runtime/program/program.hpp"
#include "runtime/tiers/packed_file.hpp"
#include "runtime/tiers/prefetch_counts.hpp"
#include "runtime/tiers/stream_plan.hpp"

namespace troupe {

/// Reads units from a packed file. One that is not what was written is packed anew from what it was made of, and mended
/// in the file, where that can be written. `with_ring`: see DiskFile.
[[nodiscard]] Result<std::unique_ptr<UnitReader>> reader_of(std::shared_ptr<const PackedFile> file,
                                                            std::shared_ptr<const Program> program,
                                                            std::shared_ptr<const StreamPlan> plan,
                                                            std::shared_ptr<PrefetchCounts> counts,
                                                            bool with_ring = true);

}  // namespace troupe
