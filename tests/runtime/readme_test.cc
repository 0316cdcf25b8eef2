#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "kernels/format.hpp"
#include "plugins/builtin.hpp"
#include "tests/model_files.hpp"

// What the README says of files that run is what the code knows.

namespace troupe {
namespace {

using Names = std::set<std::string>;

/// The names in backticks of one row of the README's table, in the column of what runs.
Names said_of(const std::string& row) {
  std::ifstream readme(testing::folder("TROUPE_SOURCE", ".") / "README.md");
  REQUIRE(readme);
  Names names;
  for (std::string line; std::getline(readme, line);) {
    if (!line.starts_with("| " + row + " |")) continue;
    std::istringstream cell(line.substr(row.size() + 4, line.find('|', row.size() + 4) - row.size() - 4));
    std::string word;
    for (bool inside = false; std::getline(cell, word, '`'); inside = !inside) {
      if (inside) names.insert(word);
    }
  }
  return names;
}

template <class Plugin>
Names names_of(const std::vector<const Plugin*>& plugins) {
  Names names;
  for (const Plugin* plugin : plugins) names.insert(std::string(plugin->name));
  return names;
}

}  // namespace

TEST_CASE("fault 26: the README names the architectures, weight types and tokenizers that there are") {
  const plugins::Registry registry = plugins::builtin();
  CHECK(said_of("architectures") == names_of(registry.architectures));
  CHECK(said_of("tokenizers") == names_of(registry.tokenizers));
  Names formats;
  for (const kernels::FormatInfo& format : kernels::all_formats()) formats.insert(std::string(format.name));
  CHECK(said_of("weight types") == formats);
}

TEST_CASE("fault 26: the README names the pre-tokenizers that there are") {
  const plugins::Registry registry = plugins::builtin();
  const auto bpe = std::find_if(registry.tokenizers.begin(), registry.tokenizers.end(),
                                [](const TokenizerFormat* format) { return format->name == "gpt2"; });
  REQUIRE(bpe != registry.tokenizers.end());
  ModelFile file;
  file.metadata.push_back({"tokenizer.ggml.pre", std::string_view("nobody's")});
  const auto refused = (*bpe)->create(file);
  REQUIRE_FALSE(refused);
  const std::string& line = refused.error().message();
  const std::string before = "known here are ";
  REQUIRE(line.find(before) != std::string::npos);
  std::istringstream list(line.substr(line.find(before) + before.size()));
  Names known;
  for (std::string name; std::getline(list, name, ',');) known.insert(name.substr(name.find_first_not_of(' ')));
  CHECK(said_of("pre-tokenizers of BPE") == known);
}

}  // namespace troupe
