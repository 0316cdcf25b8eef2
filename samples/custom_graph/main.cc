// A graph of one's own with actors of one's own in it: a tap between two stages, which prints the norm of what passes,
// and a filter on the logits, which forbids a token. Usage: custom_graph MODEL.gguf [FORBIDDEN TEXT]
#include <cmath>
#include <iostream>
#include <limits>
#include <numeric>
#include <troupe/troupe.hpp>

struct NormTap : troupe::Actor {
  void on_step(const troupe::StepView& step) override {
    for (std::size_t i = 0; i < step.rows.size(); ++i) {
      const auto row = step.in.row(i);
      const float norm = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0F));
      std::cerr << "position " << step.rows[i].position << ": norm " << norm << "\n";
    }
  }
};

struct TokenFilter : troupe::Actor {
  explicit TokenFilter(std::size_t token) : forbidden(token) {}
  void on_step(const troupe::StepView& step) override {
    for (std::size_t i = 0; i < step.out.rows; ++i)
      step.out.row(i)[forbidden] = -std::numeric_limits<float>::infinity();
  }
  std::size_t forbidden;
};

int main(int argc, char** argv) try {
  if (argc < 2) throw troupe::Error(troupe::Code::invalid_argument, "usage: custom_graph MODEL.gguf [FORBIDDEN TEXT]");
  troupe::Runtime runtime;
  runtime.add_actor("norm_tap", [](const auto&) { return std::make_unique<NormTap>(); });
  runtime.add_actor("token_filter",
                    [](const auto& options) { return std::make_unique<TokenFilter>(std::stoul(options.at("token"))); });

  const troupe::Checkpoint checkpoint = runtime.open(argv[1]);
  const std::string token = std::to_string(checkpoint.tokenize(argc > 2 ? argv[2] : " Paris").at(0));

  troupe::Graph graph = checkpoint.expand({.plan = "pp2"});
  graph.insert({.name = "tap", .kind = "norm_tap"}, "r0.s0.t0:hidden", "r0.s1.t0:hidden");
  graph.insert({.name = "filter", .kind = "token_filter", .options = {{"token", token}}}, "r0.s1.t0:logits",
               "r0.sampler:logits");

  const troupe::Model model = runtime.load(checkpoint, graph);
  for (const troupe::Token& t : model.generate("The capital of France is", {.max_tokens = 32}))
    std::cout << t.text << std::flush;
  std::cout << "\n";
} catch (const std::exception& error) {
  std::cerr << "custom_graph: " << error.what() << "\n";
  return 1;
}
