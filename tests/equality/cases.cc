#include "tests/equality/cases.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <span>
#include <utility>

#include "kernels/table.hpp"
#include "tests/equality/covering.hpp"

namespace troupe::testing {
namespace {

constexpr std::uint32_t threads[] = {1, 2};
constexpr std::uint32_t chunks[] = {512, 7, 1};
constexpr const char* vias[] = {"memory", "bytes"};

using Names = std::vector<std::string>;

Names names_of(std::span<const kernels::KernelTable* const> tables) {
  Names names;
  for (const kernels::KernelTable* table : tables) names.emplace_back(table->name);
  return names;
}

/// What this processor can run, but for the reference kernels.
Names fast_isas() {
  const auto all = kernels::tables();
  return names_of(all.size() > 1 ? all.subspan(1) : all);
}

/// All of it, and a mixture where there are two.
Names all_isas() {
  Names isas = names_of(kernels::tables());
  if (isas.size() > 1) isas.emplace_back(mixed_isas);
  return isas;
}

/// But where a sanitizer is slow already.
Names bearable_isas() { return sanitized() ? fast_isas() : all_isas(); }

Names with_late(Names devices) {
  devices.insert(devices.end(), {late, late_beside_cpu});
  return devices;
}

/// The values of the factors beside the plan, and the case that a row of them means.
struct Factors {
  Names devices;
  std::span<const char* const> via = vias;
  std::span<const Meanwhile> meanwhile = all_that_happens;

  [[nodiscard]] std::vector<std::size_t> sizes() const {
    return {std::size(threads), std::size(chunks), devices.size(), 2, 2, via.size(), meanwhile.size(), 2};
  }
  [[nodiscard]] Case case_of(const std::string& plan, const std::size_t* row, std::uint64_t seed) const {
    return {plan,        threads[row[0]], chunks[row[1]],    devices[row[2]], row[3] == 0,
            row[4] == 1, via[row[5]],     meanwhile[row[6]], row[7] == 1,     seed};
  }
};

Factors quiet(Names isas) {
  return {.devices = std::move(isas), .via = std::span(vias, 1), .meanwhile = std::span(all_that_happens, 1)};
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

constexpr const char* plan_factors[] = {"dp", "pp", "sp", "cp", "ep", "tp"};
constexpr std::size_t kind_size = std::size(plan_factors);

/// The form of each factor.
Row kind_of(const std::string& plan) {
  Row kind;
  for (const char* factor : plan_factors) kind.push_back(form_of(factor_of(plan, factor)));
  return kind;
}

/// Plans by kind, and the factors beside them.
class Kinds {
 public:
  Kinds(const std::vector<std::string>& plans, Factors factors) : factors_(std::move(factors)), sizes_(kind_size, 1) {
    for (const std::string& plan : plans) {
      const Row kind = kind_of(plan);
      by_kind_[kind].push_back(plan);
      for (std::size_t i = 0; i < kind_size; ++i) sizes_[i] = std::max(sizes_[i], kind[i] + 1);
    }
    const auto others = factors_.sizes();
    sizes_.insert(sizes_.end(), others.begin(), others.end());
  }

  [[nodiscard]] const std::vector<std::size_t>& sizes() const { return sizes_; }

  [[nodiscard]] bool possible(const Row& row) const {
    return std::ranges::any_of(by_kind_, [&](const auto& entry) {
      for (std::size_t i = 0; i < kind_size; ++i) {
        if (row[i] != open_value && row[i] != entry.first[i]) return false;
      }
      return true;
    });
  }

  /// A plan of each row's kind, drawn, with the row's other values.
  [[nodiscard]] std::vector<Case> cases_of(const std::vector<Row>& rows, std::mt19937_64& random) const {
    std::vector<Case> cases;
    for (const Row& row : rows) {
      const auto& alike = by_kind_.at(Row(row.begin(), row.begin() + kind_size));
      cases.push_back(factors_.case_of(alike[random() % alike.size()], row.data() + kind_size, random() % 1000));
    }
    return cases;
  }

 private:
  Factors factors_;
  std::map<Row, std::vector<std::string>> by_kind_;
  std::vector<std::size_t> sizes_;
};

std::vector<Case> cases_of(const std::string& plan, const std::vector<Row>& rows, const Factors& factors,
                           std::uint64_t seed) {
  std::vector<Case> cases;
  for (const Row& row : rows) cases.push_back(factors.case_of(plan, row.data(), seed + cases.size()));
  return cases;
}

std::vector<Case> pairs(const std::vector<std::string>& plans, Factors factors, std::mt19937_64& random) {
  const Kinds kinds(plans, std::move(factors));
  const auto possible = [&](const Row& row) { return kinds.possible(row); };
  return kinds.cases_of(covering_array(kinds.sizes(), random, possible), random);
}

std::vector<Case> values(const std::vector<std::string>& plans, Factors factors, std::mt19937_64& random) {
  const Kinds kinds(plans, std::move(factors));
  const auto possible = [&](const Row& row) { return kinds.possible(row); };
  return kinds.cases_of(every_value(kinds.sizes(), random, possible), random);
}

const char* name_of(Meanwhile meanwhile) {
  constexpr const char* names[] = {
      "nothing happens", "prefixes are found",          "blocks are short", "a replica breaks", "one is added",
      "one is drained",  "another plan takes its place"};
  return names[static_cast<std::size_t>(meanwhile)];
}

}  // namespace

std::vector<std::string> devices_of(const Case& run) {
  const std::string late_device = "late:" + std::to_string(run.seed);
  if (run.devices == late) return {late_device};
  if (run.devices == late_beside_cpu) return {late_device, "cpu"};
  if (run.devices != mixed_isas) return {run.devices.empty() ? "cpu" : "cpu:" + run.devices};
  std::vector<std::string> devices;
  for (const auto* table : kernels::tables()) devices.push_back("cpu:" + std::string(table->name));
  return devices;
}

bool slow(const Case& run) { return run.devices == "reference" || run.devices == mixed_isas; }

bool sanitized() {
  const char* sanitizer = std::getenv("TROUPE_SANITIZE");
  return sanitizer != nullptr && *sanitizer != '\0';
}

std::string to_string(const Case& run) {
  return "--plan " + run.plan + " -t " + std::to_string(run.threads) + " -b " + std::to_string(run.chunk) + " --isa " +
         run.devices + " --fusion " + (run.fusion ? "on" : "off") + " --parallel " + (run.mates ? "4" : "1") + " via " +
         run.via + (run.streamed ? ", weights on disk" : "") + ", while " + name_of(run.meanwhile) + ", seed " +
         std::to_string(run.seed);
}

std::vector<Case> quiet_pairs(const std::vector<std::string>& plans, std::mt19937_64& random) {
  return pairs(plans, quiet(bearable_isas()), random);
}

std::vector<Case> quiet_values(const std::vector<std::string>& plans, std::mt19937_64& random) {
  return values(plans, quiet(bearable_isas()), random);
}

std::vector<Case> all_pairs(const std::vector<std::string>& plans, std::mt19937_64& random) {
  return pairs(plans, {.devices = with_late(bearable_isas())}, random);
}

std::vector<Case> fast_values(const std::vector<std::string>& plans, std::mt19937_64& random) {
  return values(plans, {.devices = with_late(fast_isas())}, random);
}

std::vector<Case> fast_values_of(const std::string& plan, std::mt19937_64& random) {
  const Factors factors{.devices = with_late(fast_isas())};
  return cases_of(plan, every_value(factors.sizes(), random), factors, random() % 1000);
}

std::vector<Case> quiet_cases_of(const std::string& plan) {
  const Factors factors = quiet(all_isas());
  return cases_of(plan, full_product(factors.sizes()), factors, 0);
}

std::vector<Case> all_cases_of(const std::string& plan, std::mt19937_64& random) {
  const Factors factors{.devices = with_late(bearable_isas())};
  return cases_of(plan, full_product(factors.sizes()), factors, random() % 1000);
}

std::size_t replicas_of(const std::string& plan) {
  const std::string factor = factor_of(plan, "dp");
  return factor.empty() ? 1 : std::stoul(factor.substr(2));
}

}  // namespace troupe::testing
