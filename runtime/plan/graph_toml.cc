#include <algorithm>
#include <limits>
#include <sstream>

#include "kernels/floating_point.hpp"
#include "runtime/plan/toml.hpp"
#include "runtime/text/joined.hpp"
#include "runtime/text/utf8.hpp"
#include "troupe/error.hpp"
#include "troupe/graph.hpp"

namespace troupe {
namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 20;
constexpr std::ptrdiff_t most_dots = 100;

[[noreturn]] void refuse_line(std::size_t line, const std::string& why) {
  throw Error(Code::invalid_argument, "graph file, line " + std::to_string(line) + ": " + on_one_line(why));
}

}  // namespace

void refuse(const toml::source_region& at, const std::string& why) { refuse_line(at.begin.line, why); }

namespace {

/// toml++ nests a table for every dot of a key, and takes them apart by recursion: a line of dots would overflow the
/// stack.
void check_size(std::string_view text) {
  if (text.size() > most_bytes) {
    throw Error(Code::invalid_argument,
                "graph file: it has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(most_bytes));
  }
  for (std::size_t at = 0, line = 1; at < text.size(); ++line) {
    const std::string_view words = text.substr(at, text.find('\n', at) - at);
    if (std::count(words.begin(), words.end(), '.') > most_dots) {
      refuse_line(line, "it has more than " + std::to_string(most_dots) + " dots");
    }
    at += words.size() + 1;
  }
}

toml::array range_to_toml(Range range) { return toml::array{range.first, range.last}; }

}  // namespace

void check_keys(const toml::table& table, const std::vector<std::string_view>& known) {
  for (const auto& [key, value] : table) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    refuse(key.source(), "unknown key " + quoted(key.str()) + "; known are " + joined(known));
  }
}

std::string text(const toml::table& table, const char* key, std::optional<std::string> fallback) {
  const toml::node* node = table.get(key);
  if (node == nullptr && fallback) return *fallback;
  if (node == nullptr) refuse(table.source(), std::string("\"") + key + "\" is missing");
  if (!node->is_string()) refuse(node->source(), std::string("\"") + key + "\" must be a text");
  return node->as_string()->get();
}

namespace {

std::uint32_t whole_number(const toml::node& node, const std::string& what, std::int64_t least) {
  const auto value = node.value_exact<std::int64_t>();
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (!value || *value < least || *value > most) {
    refuse(node.source(),
           what + " must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return static_cast<std::uint32_t>(*value);
}

}  // namespace

std::uint32_t number(const toml::table& table, const char* key, std::int64_t least, std::uint32_t fallback) {
  const toml::node* node = table.get(key);
  return node == nullptr ? fallback : whole_number(*node, std::string("\"") + key + "\"", least);
}

namespace {

Range range(const toml::table& table, const char* key) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return {};
  const toml::array* array = node->as_array();
  if (array == nullptr || array->size() != 2)
    refuse(node->source(), std::string("\"") + key + "\" must be [first, last]");
  const Range read{whole_number(*array->get(0), key, 0), whole_number(*array->get(1), key, 0)};
  if (read.last < read.first) refuse(node->source(), std::string("\"") + key + "\" must not end before it begins");
  return read;
}

GraphNode parse_node(const toml::table& table) {
  check_keys(table,
             {"name", "kind", "device", "replica", "threads", "layers", "attention", "ffn", "vocabulary", "options"});
  GraphNode node;
  node.name = text(table, "name");
  node.kind = text(table, "kind");
  node.device = text(table, "device", "cpu");
  node.replica = number(table, "replica", 0, 0);
  node.threads = number(table, "threads", 1, 1);
  node.layers = range(table, "layers");
  node.attention = range(table, "attention");
  node.ffn = range(table, "ffn");
  node.vocabulary = range(table, "vocabulary");
  if (const toml::node* options = table.get("options")) {
    if (!options->is_table()) refuse(options->source(), "\"options\" must be a table of texts");
    for (const auto& [key, value] : *options->as_table()) {
      if (!value.is_string()) refuse(value.source(), "option " + quoted(key.str()) + " must be a text");
      node.options.emplace(key.str(), value.as_string()->get());
    }
  }
  return node;
}

template <class T>
std::vector<T> parse_all(const toml::table& file, const char* key, T (*parse)(const toml::table&),
                         const std::string& in = "") {
  std::vector<T> all;
  const toml::node* list = file.get(key);
  if (list == nullptr) return all;
  if (!list->is_array_of_tables()) refuse(list->source(), "write [[" + in + key + "]] before each " + key);
  for (const toml::node& entry : *list->as_array()) all.push_back(parse(*entry.as_table()));
  return all;
}

ExpertPlacement parse_placement(const toml::table& table) {
  check_keys(table, {"layer", "ranks"});
  ExpertPlacement placement{number(table, "layer", 0, 0)};
  const std::string lists = "\"ranks\" must be a list of experts for each rank, as [[0, 1], [2, 3]]";
  const toml::array* ranks = table.get("ranks") == nullptr ? nullptr : table.get("ranks")->as_array();
  if (ranks == nullptr) refuse(table.source(), lists);
  for (const toml::node& rank : *ranks) {
    if (!rank.is_array()) refuse(rank.source(), lists);
    std::vector<std::uint32_t>& experts = placement.ranks.emplace_back();
    for (const toml::node& expert : *rank.as_array()) experts.push_back(whole_number(expert, "an expert", 0));
  }
  return placement;
}

GraphGroup parse_group(const toml::table& table) {
  check_keys(table, {"name", "nodes", "via", "sp", "cp", "ep", "experts"});
  GraphGroup group{text(table, "name"), {}, text(table, "via", "memory")};
  const toml::array* nodes = table.get("nodes") == nullptr ? nullptr : table.get("nodes")->as_array();
  if (nodes == nullptr) refuse(table.source(), "\"nodes\" must be a list of names");
  for (const toml::node& node : *nodes) {
    if (!node.is_string()) refuse(node.source(), "\"nodes\" must be a list of names");
    group.nodes.push_back(node.as_string()->get());
  }
  group.sp = number(table, "sp", 1, 1);
  group.cp = number(table, "cp", 1, 1);
  group.ep = number(table, "ep", 1, 1);
  group.experts = parse_all<ExpertPlacement>(table, "experts", parse_placement, "group.");
  return group;
}

GraphEdge parse_edge(const toml::table& table) {
  check_keys(table, {"from", "to", "flows", "via"});
  return {text(table, "from"), text(table, "to"), text(table, "flows"), text(table, "via", "memory")};
}

}  // namespace

toml::table read_toml(const std::string& toml) {
  check_size(toml);
  try {
    return toml::parse(toml);
  } catch (const toml::parse_error& wrong) {
    refuse(wrong.source(), std::string(wrong.description()));
  }
}

Graph graph_of(const toml::table& file, std::initializer_list<std::string_view> others) {
  std::vector<std::string_view> known{"version", "node", "edge", "group"};
  known.insert(known.end(), others);
  check_keys(file, known);
  Graph graph;
  graph.version = number(file, "version", 1, 1);
  graph.nodes = parse_all<GraphNode>(file, "node", parse_node);
  graph.edges = parse_all<GraphEdge>(file, "edge", parse_edge);
  graph.groups = parse_all<GraphGroup>(file, "group", parse_group);
  return graph;
}

Graph parse_graph(const std::string& toml) {
  const kernels::FloatingPointScope floats;
  return graph_of(read_toml(toml), {});
}

namespace {

toml::array placements_to_toml(const std::vector<ExpertPlacement>& placements) {
  toml::array all;
  for (const ExpertPlacement& placement : placements) {
    toml::array ranks;
    for (const std::vector<std::uint32_t>& experts : placement.ranks) {
      toml::array mine;
      for (const std::uint32_t expert : experts) mine.push_back(expert);
      ranks.push_back(std::move(mine));
    }
    all.push_back(toml::table{{"layer", placement.layer}, {"ranks", std::move(ranks)}});
  }
  return all;
}

}  // namespace

toml::table table_of(const Graph& graph) {
  toml::array nodes, edges, groups;
  for (const GraphNode& node : graph.nodes) {
    toml::table table{{"name", node.name}, {"kind", node.kind}, {"device", node.device}, {"replica", node.replica}};
    if (node.holds_layers() || node.threads != 1) table.insert("threads", node.threads);
    if (node.holds_layers()) table.insert("layers", range_to_toml(node.layers));
    if (node.attention != Range{}) table.insert("attention", range_to_toml(node.attention));
    if (node.ffn != Range{}) table.insert("ffn", range_to_toml(node.ffn));
    if (node.vocabulary != Range{}) table.insert("vocabulary", range_to_toml(node.vocabulary));
    toml::table options;
    for (const auto& [key, value] : node.options) options.insert(key, value);
    if (!options.empty()) table.insert("options", std::move(options));
    nodes.push_back(std::move(table));
  }
  for (const GraphEdge& edge : graph.edges) {
    edges.push_back(toml::table{{"from", edge.from}, {"to", edge.to}, {"flows", edge.flows}, {"via", edge.via}});
  }
  for (const GraphGroup& group : graph.groups) {
    toml::array names;
    for (const std::string& name : group.nodes) names.push_back(name);
    toml::table table{{"name", group.name}, {"nodes", std::move(names)}, {"via", group.via}};
    if (group.sp != 1) table.insert("sp", group.sp);
    if (group.cp != 1) table.insert("cp", group.cp);
    if (group.ep != 1) table.insert("ep", group.ep);
    if (!group.experts.empty()) table.insert("experts", placements_to_toml(group.experts));
    groups.push_back(std::move(table));
  }
  toml::table file{{"version", graph.version}};
  if (!nodes.empty()) file.insert("node", std::move(nodes));
  if (!edges.empty()) file.insert("edge", std::move(edges));
  if (!groups.empty()) file.insert("group", std::move(groups));
  return file;
}

constexpr std::string_view legend =
    "# What a graph file says. [first, last] begins with first and ends before last.\n"
    "# node: device \"cpu\", or with one instruction set, \"cpu:avx2\"; layers: counted from 0; attention, ffn: which\n"
    "#   of the leaves, the parts of a layer that no split may cut; vocabulary: rows, from a multiple of 16 on, in\n"
    "#   the last stage. The shards of a group have the same layers, and share out all of the rest in order.\n"
    "# group: its nodes are sp (or cp) times ep times those that share out a layer; each of sp x ep has a part of the\n"
    "#   rows, with cp of the KV cache's positions, too, and each of ep a part of the experts: those that "
    "group.experts\n"
    "#   names, of a layer by rank, or an even part.\n"
    "# edge: from and to are \"node:port\"; via: by which transport.\n";

std::string to_toml(const Graph& graph) {
  const kernels::FloatingPointScope floats;
  std::ostringstream out;
  out << legend;
  out << table_of(graph) << '\n';
  return out.str();
}

}  // namespace troupe
