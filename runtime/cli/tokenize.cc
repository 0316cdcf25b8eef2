#include <memory>

#include "runtime/cli/input.hpp"
#include "runtime/cli/loading.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Tokenize {
  ModelFlags flags;
  Source text;
  std::optional<std::string> decode;
  bool json = false, parse_special = true;
};

void decode(const Checkpoint& checkpoint, const std::string& ids) {
  print_text(checkpoint.detokenize(parse_ids(ids == "-" ? read_file("-") : ids)));
  end_line_on_terminal();
}

void encode(const Checkpoint& checkpoint, const Tokenize& args) {
  const std::string list =
      json_list(std::span<const TokenId>(checkpoint.tokenize(read(args.text), args.parse_special)));
  print(args.json ? "{\"ids\":" + list + "}\n" : list.substr(1, list.size() - 2) + "\n");
}

void tokenize(const Tokenize& args) {
  if (args.decode && (args.text.given || args.text.file || args.json)) {
    throw Error(Code::invalid_argument, "--decode takes ids, and neither a text nor --json beside it");
  }
  const Checkpoint checkpoint = open_tokenizer(args.flags);
  if (args.decode) return decode(checkpoint, *args.decode);
  encode(checkpoint, args);
}

}  // namespace

void add_tokenize(CLI::App& command) {
  auto args = std::make_shared<Tokenize>();
  CLI::App& verb = add_verb(command, "tokenize", "turns text into a model's ids, and back",
                            "troupe tokenize -m MODEL.gguf --json 'Hello world'", [args] { tokenize(*args); });
  add_model(verb, args->flags);
  add_source(verb, "-p,--prompt,TEXT", args->text, "",
             "special tokens in it are parsed, no BOS is added ('-': standard input)");
  add_on_off(verb, "--parse-special", args->parse_special, "off: special tokens in it are plain text (default on)");
  add_switch(verb, "--json", args->json, R"(prints {"ids":[…]} instead of ids with commas between them)");
  add_text(verb, "--decode", args->decode, "IDS", "the text of ids instead, special tokens too ('-': standard input)");
}

}  // namespace troupe::cli
