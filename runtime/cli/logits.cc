#include <exception>
#include <memory>

#include "runtime/cli/input.hpp"
#include "runtime/cli/loading.hpp"
#include "runtime/cli/logits_report.hpp"
#include "runtime/cli/mates.hpp"
#include "runtime/cli/options.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/verbs.hpp"

namespace troupe::cli {
namespace {

struct Logits {
  ModelFlags flags;
  Source ids;
  std::uint32_t top = 64;
  bool all = false;
  std::optional<std::string> raw;
};

void report(const Model& model, const std::vector<TokenId>& ids, LogitsReport& to) {
  std::exception_ptr failure;  // what `to` throws belongs to this thread, not to the runtime's
  model.logits(ids, true, [&](std::uint32_t, std::span<const float> logits) {
    if (failure) return;
    try {
      to.add(logits);
    } catch (...) {
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

void logits(const Logits& args) {
  const auto ids = parse_ids(read(args.ids));
  if (ids.empty()) throw Error(Code::invalid_argument, "no ids: logits follow at least one");
  const LoadOptions& options = args.flags.load;
  const Runtime runtime;
  const TraceFile trace(args.flags);
  const Model model = load(runtime, args.flags);
  LogitsReport answer(ids.size(), args.all, args.raw);
  Mates mates(model, ids, options.parallel - 1, context_of(model.checkpoint(), options));
  report(model, ids, answer);
  mates.stop();
  trace.write(model);
  print(answer.json(args.top));
}

}  // namespace

void add_logits(CLI::App& command) {
  auto args = std::make_shared<Logits>();
  CLI::App& verb =
      add_verb(command, "logits", "prints what a model expects after ids, as JSON",
               "troupe logits -m MODEL.gguf --ids 504,3575,282,4649,314 --top 5", [args] { logits(*args); });
  add_model(verb, args->flags);
  add_capacity(verb, args->flags);
  add_source(verb, "--ids", args->ids, "IDS", "with commas or white space between them ('-': standard input)");
  add_count(verb, "--top", args->top, {}, "likeliest ids of the last position (default 64)");
  add_switch(verb, "--all", args->all, "the hash is of every position's logits, not just the last one's");
  add_text(verb, "--raw", args->raw, "FILE", "write every position's logits there: float32, [positions, vocabulary]");
  add_count(verb, "--parallel", args->flags.load.parallel, {1, most_parallel},
            "run among N-1 others of unequal lengths (default 1)");
  add_trace(verb, args->flags);
  add_spread(verb, args->flags);
}

}  // namespace troupe::cli
