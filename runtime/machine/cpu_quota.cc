#include "runtime/machine/cpu_quota.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/machine/cores.hpp"

namespace troupe {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> words_of(const std::string& text, char separator) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, separator);) words.push_back(word);
  return words;
}

bool has_word(const std::string& list, const std::string& word) {
  const auto words = words_of(list, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Empty for what is no number above 0, such as "max" and "-1".
std::optional<std::uint64_t> positive(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) return std::nullopt;
  return value;
}

std::uint32_t threads_of(std::string_view quota, std::string_view period) {
  const auto time = positive(quota), each = positive(period);
  if (!time || !each) return no_quota;
  const std::uint64_t threads = *time / *each + (*time % *each == 0 ? 0 : 1);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(threads, no_quota));
}

std::string first_line(const fs::path& path) {
  const auto lines = lines_of(path);
  return lines.empty() ? std::string() : lines.front();
}

/// What one group's folder says, in either version.
std::uint32_t quota_in(const fs::path& folder) {
  const auto words = words_of(first_line(folder / "cpu.max"), ' ');
  if (words.size() == 2) return threads_of(words[0], words[1]);
  return threads_of(first_line(folder / "cpu.cfs_quota_us"), first_line(folder / "cpu.cfs_period_us"));
}

/// mountinfo writes a space, a tab, a newline and a backslash as three octal digits behind a backslash.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string digits = text[i] == '\\' ? text.substr(i + 1, 3) : "";
    const char* const end = digits.data() + digits.size();
    int code = 0;
    if (digits.size() == 3 && std::from_chars(digits.data(), end, code, 8).ptr == end) {
      plain += static_cast<char>(code);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// A hierarchy of groups that can limit processors, and where it is seen: group `top` is the folder `folder`.
struct Mount {
  bool second_version;
  fs::path top, folder;
};

/// "36 35 98:0 /top /folder options [more] - cgroup source cpu,cpuacct"
std::optional<Mount> mount_of(const std::string& line) {
  const auto words = words_of(line, ' ');
  const auto dash = std::find(words.begin(), words.end(), "-");
  if (dash - words.begin() < 6 || words.end() - dash < 4) return std::nullopt;
  const std::string& type = dash[1];
  if (type != "cgroup2" && (type != "cgroup" || !has_word(dash[3], "cpu"))) return std::nullopt;
  return Mount{type == "cgroup2", unescaped(words[3]), unescaped(words[4])};
}

/// A group's path below a mount's top; none where the mount does not show it.
std::optional<fs::path> below(const fs::path& group, const fs::path& top) {
  const auto [in_group, in_top] = std::mismatch(group.begin(), group.end(), top.begin(), top.end());
  if (top != "/" && in_top != top.end()) return std::nullopt;
  return group.lexically_relative(top);
}

/// The least of a group and those that it lies in.
std::uint32_t quota_along(const fs::path& folder, const fs::path& group) {
  std::uint32_t least = quota_in(folder);
  fs::path at = folder;
  for (const fs::path& name : group) {
    if (name == "..") break;  // a group outside of what this namespace shows
    least = std::min(least, quota_in(at /= name));
  }
  return least;
}

}  // namespace

std::uint32_t cpu_quota(const fs::path& root) {
  const fs::path self = root / "proc/self";
  const auto mounts = lines_of(self / "mountinfo");
  std::uint32_t least = no_quota;
  for (const std::string& line : lines_of(self / "cgroup")) {  // "4:cpu,cpuacct:/group", "0::/group"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (!controllers.empty() && !has_word(controllers, "cpu")) continue;
    for (const std::string& text : mounts) {
      const auto mount = mount_of(text);
      if (!mount || mount->second_version != controllers.empty()) continue;
      const auto path = below(group, mount->top);
      if (path) least = std::min(least, quota_along(root / mount->folder.relative_path(), *path));
    }
  }
  return least;
}

std::uint32_t busy_threads() {
  return static_cast<std::uint32_t>(std::min<std::size_t>(usable_cores().size(), cpu_quota()));
}

}  // namespace troupe
