#include "runtime/cli/loading.hpp"

#include <algorithm>
#include <cstdio>

#include "runtime/cli/input.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/progress_line.hpp"

namespace troupe::cli {
namespace {

Runtime warning_runtime() {
  return Runtime({.log = [](LogLevel level, std::string_view line) {
    if (level == LogLevel::warning) std::fprintf(stderr, "troupe: %s\n", printable(line).c_str());
  }});
}

}  // namespace

TraceFile::TraceFile(const ModelFlags& flags) : file_(flags.trace) {
  if (file_) write_file(*file_, "");
}

void TraceFile::write(const Model& model) const {
  if (file_) model.write_trace(*file_);
}

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
  return options.context == 0 ? checkpoint.context() : options.context;
}

Model load(const Runtime& runtime, const Checkpoint& checkpoint, const Graph& graph, LoadOptions options) {
  ProgressLine line("loading");
  options.progress = [&line](double fraction) { line.show(fraction); };
  return runtime.load(checkpoint, graph, options);
}

Model load(const Runtime& runtime, const ModelFlags& flags) {
  const Checkpoint checkpoint = open(flags);
  return load(runtime, checkpoint, graph_of(checkpoint, flags), flags.load);
}

}  // namespace troupe::cli
