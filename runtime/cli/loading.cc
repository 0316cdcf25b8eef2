#include "runtime/cli/loading.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "runtime/cli/input.hpp"
#include "runtime/cli/output.hpp"

namespace troupe::cli {
namespace {

/// One line of a terminal, there only while something takes long.
class ProgressLine {
 public:
  ProgressLine() = default;
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() {
    if (shown_) std::fputs("\r\x1b[K", stderr);
  }

  void show(double fraction) {
    if (!terminal_ || std::chrono::steady_clock::now() - start_ < std::chrono::seconds(1)) return;
    std::fprintf(stderr, "\rloading %3.0f %%", fraction * 100);
    shown_ = true;
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool shown_ = false;
};

Runtime warning_runtime() {
  return Runtime({.log = [](LogLevel level, std::string_view line) {
    if (level == LogLevel::warning) std::fprintf(stderr, "troupe: %s\n", printable(line).c_str());
  }});
}

}  // namespace

Checkpoint open(const ModelFlags& flags) { return warning_runtime().open(flags.model, flags.load); }

Checkpoint open_tokenizer(const ModelFlags& flags) { return warning_runtime().open_tokenizer(flags.model, flags.load); }

ChatFormat format_of(const Checkpoint& checkpoint) {
  ChatFormat format = chat_format(checkpoint);
  if (!format.warning.empty()) std::fprintf(stderr, "troupe: %s\n", printable(format.warning).c_str());
  return format;
}

Graph graph_of(const Checkpoint& checkpoint, const ModelFlags& flags) {
  if (!flags.graph) return checkpoint.expand(flags.load);
  const std::string text = read_file(*flags.graph);
  try {
    return parse_graph(text);
  } catch (const Error& error) {
    throw Error(error.code(), *flags.graph + ": " + error.message());
  }
}

std::uint32_t context_of(const Checkpoint& checkpoint, const LoadOptions& options) {
  return options.context == 0 ? checkpoint.context() : std::min(options.context, checkpoint.context());
}

Model load(const Runtime& runtime, const Checkpoint& checkpoint, const Graph& graph, LoadOptions options) {
  ProgressLine line;
  options.progress = [&line](double fraction) { line.show(fraction); };
  return runtime.load(checkpoint, graph, options);
}

Model load(const Runtime& runtime, const ModelFlags& flags) {
  const Checkpoint checkpoint = open(flags);
  return load(runtime, checkpoint, graph_of(checkpoint, flags), flags.load);
}

}  // namespace troupe::cli
