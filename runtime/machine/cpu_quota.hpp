#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>

namespace troupe {

inline constexpr std::uint32_t no_quota = std::numeric_limits<std::uint32_t>::max();

/// How many threads this process's share of the processors keeps busy: the least CPU quota of its control group and of
/// that one's ancestors, as far as they can be seen, rounded up, at least 1; no_quota where there is none. Both
/// versions, cpu.cfs_quota_us / cpu.cfs_period_us and cpu.max. What is missing or unreadable sets no limit.
/// `root` stands for "/". https://docs.kernel.org/admin-guide/cgroup-v2.html, proc_pid_mountinfo(5)
[[nodiscard]] std::uint32_t cpu_quota(const std::filesystem::path& root = "/");

/// How many threads can be busy at once: of the usable cores, those that the quota allows.
[[nodiscard]] std::uint32_t busy_threads();

}  // namespace troupe
