#pragma once

#include <string>

namespace troupe {

/// What a file of Model::write_trace says, in lines to be read: of each actor the shares of compute, transfer, wait and
/// idle; how far actors compute at once, bubbles of pipelines, imbalance between ranks and who the others wait for; and
/// in its last line what to change. Reads up to 2^23 events. Throws not_found, and bad_file where the file is cut, too
/// large, or not of write_trace.
[[nodiscard]] std::string trace_summary(const std::string& path);

}  // namespace troupe
