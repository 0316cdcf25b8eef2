#include "troupe/graph.hpp"

#include <algorithm>

#include "kernels/floating_point.hpp"
#include "runtime/text/utf8.hpp"
#include "troupe/error.hpp"

namespace troupe {
namespace {

std::string node_of(const std::string& end) { return end.substr(0, end.rfind(':')); }

/// A text between the quotation marks of DOT, where a backslash escapes. For what a terminal must not see DOT has no
/// escape but that of a line's end: such bytes stand there as \\x1b, which a picture shows as \x1b.
std::string escaped(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = first_char(text.substr(at));
    const std::string_view bytes = text.substr(at, c.length);
    at += c.length;
    if (bytes == "\n") {
      out += "\\n";
    } else if (on_one_line(bytes) != bytes) {
      for (const char byte : bytes) {
        out += {'\\', '\\', 'x', digits[static_cast<unsigned char>(byte) >> 4], digits[byte & 15]};
      }
    } else {
      if (bytes == "\"" || bytes == "\\") out += '\\';
      out += bytes;
    }
  }
  return out;
}

std::string span(const char* what, Range range) {
  if (range.last <= range.first) return {};
  return what + std::to_string(range.first) + "-" + std::to_string(range.last - 1);
}

std::string label(const GraphNode& node) {
  return escaped(node.name) + "\\n" + escaped(node.kind) + span("\\nlayers ", node.layers) +
         span("\\nattention ", node.attention) + span(", ffn ", node.ffn) + span("\\nvocabulary ", node.vocabulary);
}

/// Threads of one process are the rule, which goes without saying.
std::string label(const std::string& text, const std::string& via) {
  return escaped(text) + (via == "memory" ? "" : "\\nvia " + escaped(via));
}

}  // namespace

void Graph::insert(GraphNode node, const std::string& from, const std::string& to) {
  const auto edge =
      std::find_if(edges.begin(), edges.end(), [&](const GraphEdge& e) { return e.from == from && e.to == to; });
  if (edge == edges.end()) {
    throw Error(Code::not_found, on_one_line("the graph has no edge from " + from + " to " + to));
  }
  const auto before = std::find_if(nodes.begin(), nodes.end(), [&](const auto& n) { return n.name == node_of(from); });
  if (before != nodes.end()) node.replica = before->replica;
  GraphEdge out{node.name + ":out", to, edge->flows, edge->via};
  edge->to = node.name + ":in";
  edges.push_back(std::move(out));
  nodes.push_back(std::move(node));
}

std::string to_dot(const Graph& graph) {
  const kernels::FloatingPointScope floats;
  std::string text =
      "digraph troupe {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge "
      "[fontname=\"sans-serif\"];\n";
  const auto add_node = [&](const GraphNode& node, const char* indent) {
    text += indent + ('"' + escaped(node.name)) + "\" [label=\"" + label(node) + "\"];\n";
  };
  for (const GraphGroup& group : graph.groups) {
    const std::string name = escaped(group.name);
    text += "  subgraph \"cluster_" + name + "\" {\n    label=\"" + label(group.name, group.via) + "\";\n";
    for (const GraphNode& node : graph.nodes) {
      if (std::find(group.nodes.begin(), group.nodes.end(), node.name) != group.nodes.end()) add_node(node, "    ");
    }
    text += "  }\n";
  }
  for (const GraphNode& node : graph.nodes) {
    const bool grouped = std::any_of(graph.groups.begin(), graph.groups.end(), [&](const GraphGroup& group) {
      return std::find(group.nodes.begin(), group.nodes.end(), node.name) != group.nodes.end();
    });
    if (!grouped) add_node(node, "  ");
  }
  for (const GraphEdge& edge : graph.edges) {
    text += "  \"" + escaped(node_of(edge.from)) + "\" -> \"" + escaped(node_of(edge.to)) + "\" [label=\"" +
            label(edge.flows, edge.via) + "\"" + (edge.flows == "tokens" ? ", style=dashed, constraint=false" : "") +
            "];\n";
  }
  return text + "}\n";
}

}  // namespace troupe
