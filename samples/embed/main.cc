// Loads a model, generates and streams. Usage: embed MODEL.gguf [PROMPT]
#include <iostream>
#include <troupe/troupe.hpp>

int main(int argc, char** argv) try {
  if (argc < 2) throw troupe::Error(troupe::Code::invalid_argument, "usage: embed MODEL.gguf [PROMPT]");
  troupe::Runtime runtime;
  const troupe::Model model = runtime.load(argv[1], {.plan = "pp2"});
  const char* prompt = argc > 2 ? argv[2] : "The capital of France is";
  for (const troupe::Token& token : model.generate(prompt, {.max_tokens = 32})) std::cout << token.text << std::flush;
  std::cout << "\n";
} catch (const troupe::Error& error) {
  std::cerr << "embed: " << error.what() << "\n";
  return 1;
}
