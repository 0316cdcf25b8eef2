#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "tests/folder.hpp"
#include "tests/runtime/plan_fixture.hpp"

// What the README says of plans that are refused is what the code refuses.

namespace troupe::testing {
namespace {

using Names = std::set<std::string>;

/// The first cells of the README's table that begins with `| heading |`.
Names rows_below(const std::string& heading) {
  std::ifstream readme(folder("TROUPE_SOURCE", ".") / "README.md");
  REQUIRE(readme);
  Names rows;
  bool inside = false;
  for (std::string line; std::getline(readme, line);) {
    if (inside && line.starts_with("| ") && !line.starts_with("| ---"))
      rows.insert(line.substr(2, line.find(" |") - 2));
    inside = line.starts_with("| " + heading + " |") || (inside && line.starts_with("|"));
  }
  return rows;
}

/// What stands behind the plan in a refusal, without numbers and what would work.
std::string reason_of(const std::string& line) {
  const std::size_t from = line.find("\": ") + 3;
  return line.substr(from, std::min(line.find(", which are"), line.find(';')) - from);
}

/// Every product of these degrees, and every factor in uneven shares.
std::vector<std::string> products(const std::vector<std::uint32_t>& degrees) {
  std::vector<std::string> plans{""};
  for (const char* factor : {"dp", "pp", "sp", "cp", "ep", "tp"}) {
    std::vector<std::string> more;
    for (const std::string& plan : plans) {
      for (const std::uint32_t degree : degrees) more.push_back(plan + "." + factor + std::to_string(degree));
    }
    plans = std::move(more);
    plans.push_back(std::string(".") + factor + "2:1");
  }
  return plans;
}

}  // namespace

TEST_CASE("the README names what plans are refused for, each with a plan that works instead") {
  ModelDescription experts = smollm2();
  for (LayerShape& layer : experts.layers) layer.experts = 8;
  Names reasons;
  for (const ModelDescription& model : {smollm2(), experts, model_of(3, 8, 8, 256, 20)}) {
    const auto refusal = [&](const std::string& text) -> std::string {
      const auto plan = parse_plan(text);
      if (!plan) return plan.error().message();
      const auto graph = expand(*plan, model, {1.0, 8.0}, 1);
      return graph ? "" : graph.error().message();
    };
    for (const std::string& plan : products({1, 2, 9, 31, 129})) {
      const std::string line = refusal(plan.substr(1));
      if (line.empty()) continue;
      INFO(line);
      reasons.insert(reason_of(line));
      const std::size_t end = line.find("\" would work");
      if (end == std::string::npos) continue;
      const std::size_t begin = line.rfind('"', end - 1) + 1;
      CHECK(refusal(line.substr(begin, end - begin)) == "");
    }
  }
  CHECK(rows_below("refused") == reasons);
}

}  // namespace troupe::testing
