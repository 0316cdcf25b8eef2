#include "troupe/graph.hpp"

#include <algorithm>
#include <sstream>

#include "kernels/floating_point.hpp"
#include "troupe/error.hpp"

namespace troupe {
namespace {

std::string node_of(const std::string& end) { return end.substr(0, end.rfind(':')); }

std::string label(const GraphNode& node) {
  std::ostringstream text;
  text << node.name << "\\n" << node.kind;
  if (node.layers.size() > 0) {
    text << "\\nlayers " << node.layers.first << "-" << node.layers.last - 1 << "\\nattention " << node.attention.first
         << "-" << node.attention.last - 1 << ", ffn " << node.ffn.first << "-" << node.ffn.last - 1;
  }
  if (node.vocabulary.size() > 0) text << "\\nvocabulary " << node.vocabulary.first << "-" << node.vocabulary.last - 1;
  return text.str();
}

}  // namespace

void Graph::insert(GraphNode node, const std::string& from, const std::string& to) {
  const auto edge =
      std::find_if(edges.begin(), edges.end(), [&](const GraphEdge& e) { return e.from == from && e.to == to; });
  if (edge == edges.end()) throw Error(Code::not_found, "the graph has no edge from " + from + " to " + to);
  const std::string flows = edge->flows;
  edge->to = node.name + ":in";
  edges.push_back({node.name + ":out", to, flows});
  nodes.push_back(std::move(node));
}

std::string to_dot(const Graph& graph) {
  const kernels::FloatingPointScope floats;
  std::ostringstream text;
  const auto line = [&](const GraphNode& node, const char* indent) {
    text << indent << '"' << node.name << "\" [label=\"" << label(node) << "\"];\n";
  };
  text << "digraph troupe {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge "
          "[fontname=\"sans-serif\"];\n";
  for (const GraphGroup& group : graph.groups) {
    text << "  subgraph \"cluster_" << group.name << "\" {\n    label=\"" << group.name << "\";\n";
    for (const GraphNode& node : graph.nodes) {
      if (std::find(group.nodes.begin(), group.nodes.end(), node.name) != group.nodes.end()) line(node, "    ");
    }
    text << "  }\n";
  }
  for (const GraphNode& node : graph.nodes) {
    const bool grouped = std::any_of(graph.groups.begin(), graph.groups.end(), [&](const GraphGroup& group) {
      return std::find(group.nodes.begin(), group.nodes.end(), node.name) != group.nodes.end();
    });
    if (!grouped) line(node, "  ");
  }
  for (const GraphEdge& edge : graph.edges) {
    text << "  \"" << node_of(edge.from) << "\" -> \"" << node_of(edge.to) << "\" [label=\"" << edge.flows << "\"";
    if (edge.flows == "tokens") text << ", style=dashed, constraint=false";
    text << "];\n";
  }
  text << "}\n";
  return text.str();
}

}  // namespace troupe
