#include "runtime/cli/bench_report.hpp"

#include <cmath>
#include <numeric>
#include <utility>

#include "runtime/cli/output.hpp"

namespace troupe::cli {
namespace {

template <class Number>
double mean(const std::vector<Number>& samples) {
  return static_cast<double>(std::accumulate(samples.begin(), samples.end(), Number{})) /
         static_cast<double>(samples.size());
}

/// Of a sample: n - 1 in the divisor, 0 for a single value.
template <class Number>
double deviation(const std::vector<Number>& samples) {
  if (samples.size() < 2) return 0;
  const double middle = mean(samples);
  double sum = 0;
  for (const Number sample : samples) sum += std::pow(static_cast<double>(sample) - middle, 2);
  return std::sqrt(sum / static_cast<double>(samples.size() - 1));
}

/// Names and JSON values, in order; `samples` adds the lists, which csv has no place for.
using Fields = std::vector<std::pair<std::string, std::string>>;

Fields fields_of(const BenchSetup& setup, const BenchTest& test, bool samples) {
  const auto whole = [](double value) { return std::to_string(std::llround(value)); };
  Fields fields = {
      {"model_filename", json_string(setup.model)},
      {"model_size", std::to_string(setup.model_size)},
      {"plan", json_string(setup.plan)},
      {"isa", json_string(setup.isa)},
      {"fusion", setup.load.fusion ? "true" : "false"},
      {"n_threads", std::to_string(setup.threads)},
      {"n_batch", std::to_string(setup.load.chunk)},
      {"n_parallel", std::to_string(setup.load.parallel)},
      {"n_prompt", std::to_string(test.n_prompt)},
      {"n_gen", std::to_string(test.n_gen)},
      {"avg_ns", whole(mean(test.samples_ns))},
      {"stddev_ns", whole(deviation(test.samples_ns))},
      {"avg_ts", number(mean(test.samples_ts))},
      {"stddev_ts", number(deviation(test.samples_ts))},
  };
  if (samples) {
    fields.emplace_back("samples_ns", json_list(std::span<const std::uint64_t>(test.samples_ns)));
    fields.emplace_back("samples_ts", json_list(std::span<const double>(test.samples_ts)));
  }
  return fields;
}

std::string json(const BenchSetup& setup, const std::vector<BenchTest>& tests) {
  std::string text = "[";
  for (const auto& test : tests) {
    text += text.size() == 1 ? "\n  {" : ",\n  {";
    std::string between = "\n    ";
    for (const auto& [name, value] : fields_of(setup, test, true)) {
      text += std::exchange(between, ",\n    ") + json_string(name) + ": " + value;
    }
    text += "\n  }";
  }
  return text + "\n]\n";
}

std::string csv(const BenchSetup& setup, const std::vector<BenchTest>& tests) {
  std::string names, rows;
  for (const auto& test : tests) {
    names.clear();
    std::string row;
    for (const auto& [name, value] : fields_of(setup, test, false)) {
      names += (names.empty() ? "" : ",") + name;
      row += (row.empty() ? "" : ",") + value;
    }
    rows += row + "\n";
  }
  return names + "\n" + rows;
}

std::vector<std::vector<std::string>> cells(const BenchSetup& setup, const std::vector<BenchTest>& tests) {
  std::vector<std::vector<std::string>> rows = {{"model", "plan", "threads", "parallel", "test", "t/s"}};
  for (const auto& test : tests) {
    const std::string speed = fixed(mean(test.samples_ts), 2) + " ± " + fixed(deviation(test.samples_ts), 2);
    rows.push_back({printable(setup.model.substr(setup.model.rfind('/') + 1)),
                    setup.plan.empty() ? "-" : printable(setup.plan), std::to_string(setup.threads),
                    std::to_string(setup.load.parallel),
                    test.n_gen == 0 ? "pp" + std::to_string(test.n_prompt) : "tg" + std::to_string(test.n_gen), speed});
  }
  return rows;
}

std::string markdown(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (const auto& row : rows) {
    std::string line = "|", rule = "|";
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += " " + row[i] + " |";
      rule += i == 0 ? " --- |" : " ---: |";
    }
    text += text.empty() ? line + "\n" + rule + "\n" : line + "\n";
  }
  return text;
}

}  // namespace

std::string bench_report(const std::string& form, const BenchSetup& setup, const std::vector<BenchTest>& tests) {
  if (form == "json") return json(setup, tests);
  if (form == "csv") return csv(setup, tests);
  const auto rows = cells(setup, tests);
  return form == "md" ? markdown(rows) : aligned(rows);
}

}  // namespace troupe::cli
