#include "tests/equality/cases.hpp"

#include <cstdlib>
#include <map>
#include <span>

#include "kernels/table.hpp"
#include "tests/equality/covering.hpp"

namespace troupe::testing {
namespace {

constexpr std::uint32_t threads[] = {1, 2};
constexpr std::uint32_t chunks[] = {512, 7, 1};

using Isas = std::vector<std::string>;

Isas names_of(std::span<const kernels::KernelTable* const> tables) {
  Isas names;
  for (const kernels::KernelTable* table : tables) names.emplace_back(table->name);
  return names;
}

/// What this processor can run, but for the reference kernels: they are a hundred times slower.
Isas fast_isas() {
  const auto all = kernels::tables();
  return names_of(all.size() > 1 ? all.subspan(1) : all);
}

/// All of it, and a mixture where there are two.
Isas all_isas() {
  Isas isas = names_of(kernels::tables());
  if (isas.size() > 1) isas.emplace_back(mixed_isas);
  return isas;
}

/// How many values each of the factors beside the plan has, and the case that a row of them means.
std::vector<std::size_t> other_factors(const Isas& isas) {
  return {std::size(threads), std::size(chunks), isas.size(), 2, 2};
}

Case case_of(const std::string& plan, const std::size_t* row, const Isas& isas) {
  return {plan, threads[row[0]], chunks[row[1]], isas[row[2]], row[3] == 0, row[4] == 1};
}

std::vector<Case> cases_of(const std::string& plan, const std::vector<Row>& rows, const Isas& isas) {
  std::vector<Case> cases;
  for (const Row& row : rows) cases.push_back(case_of(plan, row.data(), isas));
  return cases;
}

Isas bearable_isas() { return sanitized() ? fast_isas() : all_isas(); }

/// The forms of dp, pp and tp, and the factors beside the plan.
std::vector<std::size_t> factors_with_kinds() {
  std::vector<std::size_t> factors = other_factors(bearable_isas());
  factors.insert(factors.begin(), {2, 3, 3});
  return factors;
}

/// The factor of that name, "tp2:1"; empty where there is none.
std::string factor_of(const std::string& plan, const char* name) {
  const std::size_t at = plan.find(name);
  return at == std::string::npos ? "" : plan.substr(at, plan.find('.', at) - at);
}

std::size_t form_of(const std::string& factor) {
  if (factor.empty() || factor.substr(2) == "1") return 0;
  return factor.find(':') == std::string::npos ? 1 : 2;
}

/// The forms of dp, pp and tp.
Row kind_of(const std::string& plan) {
  return {form_of(factor_of(plan, "dp")), form_of(factor_of(plan, "pp")), form_of(factor_of(plan, "tp"))};
}

/// A plan of a row's kind, drawn, with the row's other values.
std::vector<Case> cases_of_kinds(const std::vector<std::string>& plans, const std::vector<Row>& rows,
                                 std::mt19937_64& random) {
  std::map<Row, std::vector<std::string>> by_kind;
  for (const std::string& plan : plans) by_kind[kind_of(plan)].push_back(plan);
  std::vector<Case> cases;
  for (const Row& row : rows) {
    const auto& alike = by_kind.at({row[0], row[1], row[2]});
    cases.push_back(case_of(alike[random() % alike.size()], row.data() + 3, bearable_isas()));
  }
  return cases;
}

}  // namespace

std::vector<std::string> devices_to_mix() {
  std::vector<std::string> devices;
  for (const auto* table : kernels::tables()) devices.push_back("cpu:" + std::string(table->name));
  return devices;
}

bool sanitized() {
  const char* sanitizer = std::getenv("TROUPE_SANITIZE");
  return sanitizer != nullptr && *sanitizer != '\0';
}

std::string to_string(const Case& run) {
  return "--plan " + run.plan + " -t " + std::to_string(run.threads) + " -b " + std::to_string(run.chunk) + " --isa " +
         run.isa + " --fusion " + (run.fusion ? "on" : "off") + " --parallel " + (run.mates ? "4" : "1");
}

std::vector<Case> some_cases_of(const std::string& plan, std::mt19937_64& random) {
  return cases_of(plan, every_value(other_factors(fast_isas()), random), fast_isas());
}

std::vector<Case> all_cases_of(const std::string& plan) {
  return cases_of(plan, full_product(other_factors(all_isas())), all_isas());
}

std::vector<Case> covering_cases(const std::vector<std::string>& plans, std::mt19937_64& random) {
  return cases_of_kinds(plans, covering_array(factors_with_kinds(), random), random);
}

std::vector<Case> some_cases(const std::vector<std::string>& plans, std::mt19937_64& random) {
  return cases_of_kinds(plans, every_value(factors_with_kinds(), random), random);
}

std::size_t replicas_of(const std::string& plan) {
  const std::string factor = factor_of(plan, "dp");
  return factor.empty() ? 1 : std::stoul(factor.substr(2));
}

}  // namespace troupe::testing
