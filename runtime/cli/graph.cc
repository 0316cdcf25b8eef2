#include <memory>

#include "runtime/cli/loading.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Draw {
  ModelFlags flags;
  std::string form = "dot";
};

void draw(const Draw& args) {
  const Graph graph = open(args.flags).expand(args.flags.load);
  print(args.form == "dot" ? to_dot(graph) : to_toml(graph));
}

}  // namespace

void add_graph(CLI::App& command) {
  auto args = std::make_shared<Draw>();
  CLI::App& verb =
      add_verb(command, "graph", "prints the graph that a plan expands to",
               "troupe graph -m MODEL.gguf --plan pp2.tp2 -o dot | dot -Tsvg > graph.svg", [args] { draw(*args); });
  add_model(verb, args->flags);
  add_plan(verb, args->flags);
  add_choice(verb, "-o,--output", args->form, {"dot", "toml"},
             "dot, for Graphviz (default), or toml, to edit and `troupe run --graph`");
}

}  // namespace troupe::cli
