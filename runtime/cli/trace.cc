#include "troupe/trace.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Trace {
  std::string action;
  std::optional<std::string> file;
};

}  // namespace

void add_trace_summary(CLI::App& command) {
  auto args = std::make_shared<Trace>();
  CLI::App& verb = add_verb(command, "trace", "says what a trace tells: who waits for whom, and what to change",
                            "troupe trace summary trace.json", [args] { print(trace_summary(*args->file)); });
  add_choice(verb, "ACTION", args->action, {"summary"}, "summary");
  add_text(verb, "FILE", args->file, "FILE", "a trace of run, bench or logits");
  verb.get_option("ACTION")->required();
  verb.get_option("FILE")->required();
}

}  // namespace troupe::cli
