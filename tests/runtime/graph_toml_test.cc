#include <catch2/catch.hpp>
#include <ctime>
#include <tuple>

#include "tests/runtime/plan_fixture.hpp"
#include "tests/seed.hpp"
#include "troupe/graph.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

/// The error of a text that is no graph.
std::string refusal(const std::string& toml) {
  try {
    (void)parse_graph(toml);
  } catch (const Error& error) {
    CHECK(error.code() == Code::invalid_argument);
    CHECK(one_line(error.message()));
    return error.message();
  }
  return "none";
}

void check_same(const Graph& a, const Graph& b) {
  REQUIRE(a.version == b.version);
  REQUIRE(a.nodes.size() == b.nodes.size());
  for (std::size_t i = 0; i < a.nodes.size(); ++i) {
    const GraphNode &x = a.nodes[i], &y = b.nodes[i];
    REQUIRE(std::tie(x.name, x.kind, x.device, x.replica, x.threads, x.options) ==
            std::tie(y.name, y.kind, y.device, y.replica, y.threads, y.options));
    REQUIRE(std::tie(x.layers, x.attention, x.ffn, x.vocabulary) ==
            std::tie(y.layers, y.attention, y.ffn, y.vocabulary));
  }
  REQUIRE(a.edges.size() == b.edges.size());
  for (std::size_t i = 0; i < a.edges.size(); ++i) {
    const GraphEdge &x = a.edges[i], &y = b.edges[i];
    REQUIRE(std::tie(x.from, x.to, x.flows, x.via) == std::tie(y.from, y.to, y.flows, y.via));
  }
  REQUIRE(a.groups.size() == b.groups.size());
  for (std::size_t i = 0; i < a.groups.size(); ++i) {
    const GraphGroup &x = a.groups[i], &y = b.groups[i];
    REQUIRE(std::tie(x.name, x.nodes, x.via, x.sp, x.cp, x.ep) == std::tie(y.name, y.nodes, y.via, y.sp, y.cp, y.ep));
  }
}

}  // namespace

TEST_CASE("letters that are not ASCII do no harm to a graph file, wherever they stand", "[bad-input]") {
  const std::string toml = to_toml(graph_of("tp1", smollm2()));
  std::size_t kept = 0;
  for (std::size_t at = 0; at <= toml.size(); ++at) {
    for (const char* letter : {"\u00E9", "\u0450", "\u3042", "\U0001F600"}) {  // the first two were undefined behaviour
      std::string changed = toml;
      if (refusal(changed.insert(at, letter)) == "none") ++kept;
    }
  }
  CHECK((kept > 0 && kept < 4 * toml.size()));
}

TEST_CASE("a graph and its TOML form are the same") {
  for (const Plan& plan : enumerate_plans(8, {30, 8, 0, 100})) {
    const Graph graph = expand(plan, smollm2(), {1.0, 8.0}, 3).value();
    check_same(parse_graph(to_toml(graph)), graph);
  }
  Graph odd = graph_of("pp2", smollm2());
  GraphNode node = tap("tap");
  node.options = {{"file", "a \"quoted\" name\n"}, {"key with spaces", ""}, {"\xE2\x82\xAC", "\xE2\x82\xAC"}};
  odd.insert(node, "r0.s0.t0:hidden", "r0.s1.t0:hidden");
  odd.edges[1].via = "pigeon";
  odd.groups[0].sp = 3;
  odd.groups[0].cp = 5;
  odd.groups[0].ep = 2;
  odd.groups[0].via = "a \"quoted\" name\n";
  check_same(parse_graph(to_toml(odd)), odd);
  check_same(parse_graph(to_toml(Graph{})), Graph{});
}

TEST_CASE("edges and groups that name no transport are of memory") {
  const Graph graph = parse_graph(
      "[[edge]]\nfrom = \"a:b\"\nto = \"c:d\"\nflows = \"hidden\"\n[[edge]]\nfrom = \"a:b\"\nto = \"c:d\"\n"
      "flows = \"hidden\"\nvia = \"pigeon\"\n[[group]]\nname = \"g\"\nnodes = []\n");
  CHECK(graph.edges.at(0).via == "memory");
  CHECK(graph.edges.at(1).via == "pigeon");
  CHECK(graph.groups.at(0).via == "memory");
  CHECK_THAT(refusal("[[group]]\nname = \"g\"\nnodes = []\nvia = 1\n"), Contains("line 4: \"via\" must be a text"));
  CHECK_THAT(refusal("[[edge]]\nfrom = \"a\"\nto = \"b\"\nflows = \"hidden\"\nvai = \"x\"\n"),
             Contains("line 5: unknown key \"vai\"; known are from, to, flows, via"));
}

TEST_CASE("a graph file that is none gets one line that names the place", "[bad-input]") {
  const std::string head = "[[node]]\nname = \"a\"\nkind = \"shard\"\n";
  CHECK_THAT(refusal("version = 1\n\nversoin = 2\n"),
             Contains("line 3: unknown key \"versoin\"; known are version, node"));
  CHECK_THAT(refusal("\"a\\nb\" = 1"), Contains("unknown key \"a\\x0ab\""));
  CHECK_THAT(refusal(head + "layres = [0, 1]\n"), Contains("line 4: unknown key \"layres\""));
  CHECK_THAT(refusal("[[node]]\nname = \"a\"\n"), Contains("line 1: \"kind\" is missing"));
  CHECK_THAT(refusal("[[node]]\nname = 5\nkind = \"shard\""), Contains("line 2: \"name\" must be a text"));
  CHECK_THAT(refusal("node = 5"), Contains("write [[node]]"));
  CHECK_THAT(refusal("node = [1, 2]"), Contains("write [[node]]"));
  CHECK_THAT(refusal("[node]\nname = \"a\""), Contains("write [[node]]"));
  for (const char* number :
       {"-1", "0.5", "nan", "inf", "-inf", "1e3", "\"1\"", "true", "9223372036854775807", "[1]", "{}"}) {
    CHECK_THAT(refusal(head + "replica = " + number),
               Contains("line 4: \"replica\" must be a whole number from 0 to 2147483647"));
    CHECK_THAT(refusal(head + "layers = [0, " + number + "]"), Contains("line 4: layers must be a whole number"));
    CHECK_THAT(refusal(std::string("version = ") + number),
               Contains("line 1: \"version\" must be a whole number from 1"));
  }
  CHECK_THAT(refusal(head + "threads = 0"), Contains("from 1 to"));
  CHECK_THAT(refusal(head + "replica = 9223372036854775808"), Contains("line 4"));
  for (const char* range : {"5", "[]", "[1]", "[1, 2, 3]", "\"0-5\"", "{first = 1}"}) {
    CHECK_THAT(refusal(head + "ffn = " + range), Contains("\"ffn\" must be [first, last]"));
  }
  CHECK_THAT(refusal(head + "attention = [3, 2]"), Contains("must not end before it begins"));
  CHECK_THAT(refusal(head + "options = 5"), Contains("\"options\" must be a table of texts"));
  CHECK_THAT(refusal(head + "options = {a = 5}"), Contains("option \"a\" must be a text"));
  CHECK_THAT(refusal("[[group]]\nname = \"g\""), Contains("\"nodes\" must be a list of names"));
  CHECK_THAT(refusal("[[group]]\nname = \"g\"\nnodes = [1]"), Contains("line 3: \"nodes\" must be a list of names"));
  CHECK_THAT(refusal("[[edge]]\nfrom = \"a\"\nto = \"b\""), Contains("\"flows\" is missing"));
}

TEST_CASE("broken TOML is an error with a line", "[bad-input]") {
  for (const char* broken :
       {"[[node", "[[node]]\nname = ", "name == 1", "= 1", "a = \"", "a = \"\"\"\n", "a = [1,", "a = {b = 1",
        "a = 1\na = 2", "[a]\n[a]", "a = 1 b = 2", "\xFF\xFE", "a = \"\xC3\"", "a = \"\\q\"", "a = 01", "\x01"}) {
    INFO(broken);
    CHECK_THAT(refusal(broken), Contains("graph file, line "));
  }
}

TEST_CASE("nesting and size do not exhaust the stack or the patience", "[bad-input]") {
  const auto repeated = [](const std::string& piece, std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += piece;
    return text;
  };
  constexpr std::size_t much = 1'000'000;
  const std::clock_t start = std::clock();  // of the processor: others may use the machine as well
  CHECK_THAT(refusal(repeated("a.", much) + "a = 1"), Contains("more than 100 dots"));
  CHECK_THAT(refusal("[" + repeated("a.", much) + "a]"), Contains("more than 100 dots"));
  CHECK_THAT(refusal("x = " + repeated("[", much)), Contains("nested"));
  CHECK_THAT(refusal("x = " + repeated("{a=", much)), Contains("nested"));
  CHECK_THAT(refusal(repeated("[[", much)), Contains("line 1"));
  CHECK_THAT(refusal("x = {y = \"\"\"" + repeated("\n\"\"\", " + repeated("a.", 190) + "a = {y = \"\"\"", much)),
             Contains("nested"));
  std::string keys, tables;
  for (int i = 0; keys.size() < much; ++i) keys += "k" + std::to_string(i) + " = 1\n";
  CHECK_THAT(refusal(keys), Contains("unknown key"));
  for (int i = 0; tables.size() < much; ++i) tables += "[t" + std::to_string(i) + ".a.b.c]\n";
  CHECK_THAT(refusal(tables), Contains("unknown key"));
  CHECK_THAT(problems(parse_graph(repeated("[[group]]\nname=\"\"\nnodes=[]\n", much))), Contains("groups; at most"));
  CHECK_THAT(refusal(std::string((1 << 20) + 1, '\n')), Contains("1048577 bytes; at most 1048576"));
  for (const char* piece : {"a", "\n", "\"", "#", "[", "{", "=", " ", "\\", "1", "\xF0\x9F\x98\x80", "'''", "a=1,"}) {
    (void)refusal(repeated(piece, much));
  }
  CHECK_THAT(refusal("[[node]]\nname = \"" + repeated("\xC2\x80", much) + "\""), Contains("kind"));
  Graph named = graph_of("pp2", smollm2());
  named.edges[0].to = repeated("\xC2\x80", much);
  CHECK_THAT(problems(named), Contains("there is no node ???"));
  Random random(first_seed());
  std::string garbage(much, ' ');
  for (char& c : garbage) c = static_cast<char>(random());
  CHECK_THAT(refusal(garbage), Contains("graph file, line "));
  CHECK((std::clock() - start) / CLOCKS_PER_SEC < 600);
}

TEST_CASE("a graph file with something changed anywhere is read or refused", "[bad-input]") {
  Graph graph = graph_of("dp2.pp2", smollm2());
  graph.insert(tap("a"), "r0.s0.t0:hidden", "r0.s1.t0:hidden");
  const std::string whole = to_toml(graph);
  for (std::uint32_t seed = first_seed(); seed < first_seed() + 1500; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    std::string text = whole;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % text.size();
      const std::size_t length = random() % 40;
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, length);
          break;
        case 2:
          text.insert(at, whole.substr(random() % whole.size(), length));
          break;
        default:
          text[at] = "\"'[]{}=.,\n#0-9"[random() % 14];
          break;
      }
      if (text.empty()) text = " ";
    }
    try {
      const Graph read = parse_graph(text);
      (void)problems(read);
      (void)to_dot(read);
      check_same(parse_graph(to_toml(read)), read);
    } catch (const Error& error) {
      INFO(error.message());
      REQUIRE(one_line(error.message()));
    }
  }
}

}  // namespace troupe::testing
