#include <algorithm>
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "tests/model_at_hand.hpp"
#include "troupe/troupe.hpp"

// The golden files hold the answers of a float64 reference, and how far from them llama.cpp is. Their README defines
// the measure.

namespace troupe {
namespace {

/// One text: at each position the reference's likeliest next tokens, best first, with their log-probabilities.
struct Text {
  std::vector<TokenId> ids;
  std::vector<std::vector<TokenId>> top_ids;
  std::vector<std::vector<double>> top_logprob;
};

/// Sums over positions.
struct Score {
  std::size_t positions = 0, agreed = 0;
  double kl = 0;
  void add(std::size_t more, double kl_sum, std::size_t agreements) {
    positions += more;
    kl += kl_sum;
    agreed += agreements;
  }
  [[nodiscard]] double mean_kl() const { return kl / static_cast<double>(positions); }
};

template <class Number>
std::vector<Number> numbers(const boost::json::value& array) {
  std::vector<Number> result;
  for (const auto& number : array.as_array()) result.push_back(number.to_number<Number>());
  return result;
}

Text text_of(const boost::json::value& line) {
  Text text{numbers<TokenId>(line.at("ids")), {}, {}};
  for (const auto& ids : line.at("top_ids").as_array()) text.top_ids.push_back(numbers<TokenId>(ids));
  for (const auto& values : line.at("top_logprob").as_array()) text.top_logprob.push_back(numbers<double>(values));
  return text;
}

double log_sum_exp(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return most + std::log(sum);
}

/// The divergence at one position: of the reference's likeliest tokens, and one bucket for all the rest.
double divergence(std::span<const float> logits, std::span<const TokenId> ids, std::span<const double> logprob) {
  const double norm = log_sum_exp(logits);
  double kl = 0, p_rest = 1, q_rest = 1;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const double log_q = logits[static_cast<std::size_t>(ids[i])] - norm, p = std::exp(logprob[i]);
    kl += p * (logprob[i] - log_q);
    p_rest -= p;
    q_rest -= std::exp(log_q);
  }
  return kl + (p_rest > 0 ? p_rest * (std::log(p_rest) - std::log(std::max(q_rest, 1e-300))) : 0);
}

Score score_of(const Model& model, const Text& text) {
  Score score;
  model.logits(text.ids, true, [&](std::uint32_t position, std::span<const float> logits) {
    const auto likeliest = std::max_element(logits.begin(), logits.end()) - logits.begin();
    score.add(1, divergence(logits, text.top_ids[position], text.top_logprob[position]),
              likeliest == text.top_ids[position][0] ? 1 : 0);
  });
  return score;
}

void compare(const char* model_file, const char* golden_file) {
  const auto golden = testing::folder("TROUPE_SHARED", "../shared") / "golden" / golden_file;
  std::ifstream lines(golden);
  if (!lines) {
    WARN("skipped: there is no " << golden.string());
    return;
  }
  const auto path = testing::model_at_hand(model_file);
  if (!path) return;
  const Model model = Runtime().load(*path, {.parallel = 1});
  Score ours, llama;
  for (std::string line; std::getline(lines, line);) {
    const auto json = boost::json::parse(line);
    const Text text = text_of(json);
    const Score score = score_of(model, text);
    REQUIRE(score.positions == text.ids.size());
    ours.add(score.positions, score.kl, score.agreed);
    llama.add(score.positions, json.at("kl_llama_cpp").to_number<double>() * static_cast<double>(score.positions),
              json.at("agree_llama_cpp").to_number<std::size_t>());
  }
  std::printf("%s, %zu positions: mean KL %.5f, %zu agree; llama.cpp %.5f, %zu\n", golden_file, ours.positions,
              ours.mean_kl(), ours.agreed, llama.mean_kl(), llama.agreed);
  CHECK(ours.mean_kl() <= 1.1 * llama.mean_kl());
  CHECK(static_cast<double>(ours.agreed) >= 0.99 * static_cast<double>(llama.agreed));
}

TEST_CASE("logits: SmolLM2 is as near to the float64 reference as llama.cpp", "[golden]") {
  compare(testing::smollm2, "smollm2.logits.jsonl");
}

TEST_CASE("logits: Gemma3 is as near to the float64 reference as llama.cpp", "[golden]") {
  compare(testing::gemma3, "gemma3.logits.jsonl");
}

}  // namespace
}  // namespace troupe
