#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;  // its header takes seconds to compile: it stays in main.cc and options.cc
}

namespace troupe::cli {

/// A new verb of the command, and what it does once its flags are read. Its help shows the summary, one line a flag,
/// and the example last, so that it fits a screen.
CLI::App& add_verb(CLI::App& command, const std::string& name, const std::string& summary, const std::string& example,
                   std::function<void()> action);

/// Each adds one verb: its flags, and what it does once they are read.
void add_run(CLI::App& command);
void add_chat(CLI::App& command);
void add_inspect(CLI::App& command);
void add_tokenize(CLI::App& command);
void add_render(CLI::App& command);
void add_logits(CLI::App& command);
void add_bench(CLI::App& command);
void add_graph(CLI::App& command);
void add_trace_summary(CLI::App& command);
void add_perplexity(CLI::App& command);

}  // namespace troupe::cli
