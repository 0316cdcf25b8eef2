#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include "tests/c/requests.hpp"

namespace troupe::testing {
namespace {

/// What a stream says of a request with these options, and its logprobs.
struct Told {
  Read read{};
  std::vector<std::vector<troupe_logprob>> logprobs{};
  troupe_finish finish = made(troupe_finish_default);
  std::string stop{};
};

Told told(const troupe_model* model, const troupe_generate_options& options) {
  Told told;
  const HeldRequest request = started(model, hello, options);
  auto token = made(troupe_token_default);
  while (troupe_request_next(request, -1, &token, nullptr) == TROUPE_OK) {
    if (token.id >= 0) told.read.ids.push_back(token.id);
    told.read.text.append(token.text, token.length);
    told.logprobs.emplace_back(token.logprobs, token.logprobs + token.logprob_count);
  }
  CHECK(troupe_request_finish(request, &told.finish, nullptr) == TROUPE_OK);
  told.stop = told.finish.stop;
  return told;
}

}  // namespace

TEST_CASE("C: logprobs come with each token") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  auto options = tokens(4);
  options.logprobs = 3;
  const Told got = told(model, options);
  REQUIRE(got.logprobs.size() >= 4);
  for (std::size_t i = 0; i < got.read.ids.size(); ++i) {
    REQUIRE(got.logprobs[i].size() == 4);
    CHECK(got.logprobs[i][0].id == got.read.ids[i]);
    CHECK(got.logprobs[i][1].id == got.read.ids[i]);  // greedy: the likeliest
    CHECK(got.logprobs[i][0].logprob < 0.0F);
  }
  CHECK(told(model, tokens(2)).logprobs.at(0).empty());
  options.logprobs = 21;
  troupe_request* none = nullptr;
  fails(TROUPE_INVALID_ARGUMENT, "logprobs",
        [&](auto* error) { return troupe_model_generate(model, "a", 1, &options, nullptr, &none, error); });
}

TEST_CASE("C: each of sampling's fields changes a text") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  auto plain = tokens(60);
  plain.temperature = 1.5F;
  plain.seed = 3;
  const Ids without = told(model, plain).read.ids;
  static const troupe_logit_bias bias[] = {{7, 50.0F}, {8, -1.0F}};
  // What a greedy text repeats for ever, as DRY forbids, it may repeat where it ends what repeats.
  auto greedy = plain;
  greedy.temperature = 0;
  std::vector<std::string> repeated;
  for (const std::int32_t id : told(model, greedy).read.ids) {
    if (id > 0 && id < 128) repeated.emplace_back(1, static_cast<char>(id));
  }
  static std::vector<const char*> breakers;
  for (const std::string& text : repeated) breakers.push_back(text.c_str());
  REQUIRE_FALSE(breakers.empty());
  breakers.resize(std::min<std::size_t>(breakers.size(), 16));
  const auto dry = [](auto& options) {
    options.dry_multiplier = 30;
    options.dry_allowed_length = 1;
  };
  const auto mirostat = [](auto& options) {
    options.mirostat = 2;
    options.mirostat_tau = 2;
  };
  using Change = std::function<void(troupe_generate_options&)>;
  const std::pair<Change, Change> changes[] = {
      {{}, [](auto& o) { o.logit_bias = bias, o.logit_bias_count = 2; }},
      {{}, [](auto& o) { o.sampler_order = "k"; }},
      {{}, [](auto& o) { o.choice = 1; }},
      {{}, [](auto& o) { o.min_p = 0.9F; }},
      {{}, [](auto& o) { o.typical_p = 0.1F; }},
      {{}, [](auto& o) { o.top_n_sigma = 0.5F; }},
      {{}, [](auto& o) { o.xtc_probability = 1, o.xtc_threshold = 0.01F; }},
      {[](auto& o) { o.xtc_probability = 1; }, [](auto& o) { o.xtc_threshold = 0.0005F; }},
      {{}, [](auto& o) { o.repeat_penalty = 9; }},
      {{}, [](auto& o) { o.presence_penalty = 9; }},
      {{}, [](auto& o) { o.frequency_penalty = 9; }},
      {[](auto& o) { o.frequency_penalty = 9; }, [](auto& o) { o.penalty_last_n = 2; }},
      {{}, dry},
      {dry,
       [](auto& o) {
         o.dry_base = 1;
         o.dry_multiplier = 0.1F;
       }},
      {dry, [](auto& o) { o.dry_allowed_length = 50; }},
      {dry, [](auto& o) { o.dry_last_n = 3; }},
      {[&](auto& o) { dry(o), o.temperature = 0; },
       [](auto& o) { o.dry_breakers = breakers.data(), o.dry_breaker_count = breakers.size(); }},
      {{}, mirostat},
      {mirostat, [](auto& o) { o.mirostat_tau = 0.1F; }},
      {mirostat, [](auto& o) { o.mirostat_eta = 1; }},
  };
  for (std::size_t i = 0; i < std::size(changes); ++i) {
    INFO("change " << i);
    auto options = plain;
    if (changes[i].first) changes[i].first(options);
    const Ids before = changes[i].first ? told(model, options).read.ids : without;
    changes[i].second(options);
    CHECK(told(model, options).read.ids != before);
  }
  auto options = plain;
  options.mirostat = 1;
  troupe_request* none = nullptr;
  fails(TROUPE_INVALID_ARGUMENT, "mirostat is 1",
        [&](auto* error) { return troupe_model_generate(model, "a", 1, &options, nullptr, &none, error); });
  options = plain;
  options.logit_bias_count = 1;
  fails(TROUPE_INVALID_ARGUMENT, "\"logit_bias\" is NULL",
        [&](auto* error) { return troupe_model_generate(model, "a", 1, &options, nullptr, &none, error); });
  options = plain;
  options.min_tokens = 100;
  fails(TROUPE_INVALID_ARGUMENT, "min_tokens is 100",
        [&](auto* error) { return troupe_model_generate(model, "a", 1, &options, nullptr, &none, error); });
}

TEST_CASE("C: a stop string ends a text") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  const std::string whole = told(model, tokens(20)).read.text;
  REQUIRE(whole.size() > 4);
  const std::string stop = whole.substr(whole.size() / 2, 1);
  const char* const stops[] = {"never to be seen in any text", stop.c_str()};
  auto options = tokens(20);
  options.stop = stops;
  options.stop_count = 2;
  const Told got = told(model, options);
  CHECK(got.read.text == whole.substr(0, whole.find(stop)));
  CHECK(got.finish.reason == TROUPE_FINISH_STOP);
  CHECK(got.stop == stop);
}

TEST_CASE("C: a host's actors see the request's bytes and its tokens, and end one row") {
  struct Seen {
    std::set<std::string> users;
    Ids tokens;
    bool fails = false;
  } seen;
  const HeldRuntime runtime = new_runtime();
  auto kind = made(troupe_actor_kind_default);
  kind.user = &seen;
  kind.on_step = [](void* actor, const troupe_step* step, troupe_error*) {
    auto& to = *static_cast<Seen*>(actor);
    for (std::size_t i = 0; i < step->rows; ++i) {
      to.users.emplace(step->users[i], step->user_lengths[i]);
      to.tokens.push_back(step->tokens[i]);
    }
    if (to.fails) troupe_step_fail(step, 0, TROUPE_NOT_FOUND, "not this row");
    const bool refused = troupe_step_fail(step, step->rows, TROUPE_FAILED, "a") == TROUPE_INVALID_ARGUMENT &&
                         troupe_step_fail(step, 0, TROUPE_OK, "a") == TROUPE_INVALID_ARGUMENT &&
                         troupe_step_fail(nullptr, 0, TROUPE_FAILED, "a") == TROUPE_INVALID_ARGUMENT;
    return refused ? troupe_status{TROUPE_OK} : troupe_status{TROUPE_FAILED};
  };
  succeeds([&](auto* error) { return troupe_runtime_add_actor(runtime, "tap", &kind, error); });
  const HeldCheckpoint checkpoint = opened(runtime);
  auto node = made(troupe_graph_node_default);
  node.name = node.kind = "tap";
  const std::string graph = text_from([&](auto** result, auto* error) {
    return troupe_graph_insert(expanded(checkpoint, "pp2").c_str(), &node, "r0.s0.t0:hidden", "r0.s1.t0:hidden", result,
                               error);
  });
  HeldModel model;
  succeeds([&](auto* error) {
    return troupe_model_load_checkpoint(runtime, checkpoint, graph.c_str(), nullptr, model.out(), error);
  });
  auto options = tokens(4);
  options.user = "a\0b";
  options.user_length = 3;
  const Read got = read(started(model, hello, options));
  CHECK(got.ids.size() == 4);
  CHECK(seen.users == std::set<std::string>{std::string("a\0b", 3)});
  REQUIRE(seen.tokens.size() >= 8);
  CHECK(Ids(seen.tokens.begin(), seen.tokens.begin() + 5) == hello);
  CHECK(seen.tokens[5] == got.ids[0]);
  seen.fails = true;
  const Read failed = read(started(model, hello, options));
  CHECK(failed.status == TROUPE_NOT_FOUND);
  CHECK(failed.message.find("not this row") != std::string::npos);
}

TEST_CASE("C: logits are cancelled, and late") {
  const HeldRuntime runtime = new_runtime();
  const HeldModel model = loaded(runtime);
  Held<troupe_cancellation, troupe_cancellation_free> cancellation;
  succeeds([&](auto* error) { return troupe_cancellation_new(cancellation.out(), error); });
  needs("cancellation", [](auto* error) { return troupe_cancellation_new(nullptr, error); });
  troupe_cancellation_cancel(nullptr);
  troupe_cancellation_free(nullptr);
  troupe_cancellation_cancel(cancellation);
  auto options = made(troupe_logits_options_default);
  options.cancel = cancellation;
  const auto logits = [&](auto* error) {
    return troupe_model_logits(
        model, hello.data(), hello.size(), 1, &options, [](auto...) { return troupe_status{TROUPE_OK}; }, nullptr,
        error);
  };
  fails(TROUPE_CANCELLED, "", logits);
  options.cancel = nullptr;
  options.deadline_ms = 0;
  fails(TROUPE_DEADLINE, "", logits);

  auto load = load_options();
  load.cancel = cancellation;
  troupe_model* none = nullptr;
  fails(TROUPE_CANCELLED, "",
        [&](auto* error) { return troupe_model_load(runtime, tiny_path().c_str(), &load, &none, error); });
  load.cancel = nullptr;
  load.deadline_ms = 0;
  fails(TROUPE_DEADLINE, "",
        [&](auto* error) { return troupe_model_load(runtime, tiny_path().c_str(), &load, &none, error); });
}

}  // namespace troupe::testing
