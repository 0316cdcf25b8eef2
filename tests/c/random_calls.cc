#include "tests/c/random_calls.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "runtime/c/troupe.h"
#include "tests/host/tiny_adapter.hpp"
#include "tests/host/tiny_model.hpp"

namespace troupe::testing {
namespace {

void promise(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "random_calls: broken promise: %s\n", what);
  std::abort();
}

/// A file of one small layer, as bytes and as a path.
struct SmallFile {
  SmallFile() {
    TinyModel model;
    model.layers = 2;
    model.context = 48;
    bytes = model.file();
    file = std::make_unique<MemoryFile>(bytes);
    path = file->path();
    adapter = std::make_unique<MemoryFile>(TinyAdapter{}.file(open_gguf(path).value()));
    adapter_path = adapter->path();
  }
  std::string bytes, path, adapter_path;
  std::unique_ptr<MemoryFile> file, adapter;
};

const SmallFile& small_file() {
  static const SmallFile made;
  return made;
}

class Bytes {
 public:
  explicit Bytes(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  std::uint32_t below(std::uint32_t most) {
    if (bytes_.empty()) return 0;
    const std::uint32_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte % most;
  }
  bool rarely() { return below(16) == 1; }
  bool often() { return below(4) != 0; }

 private:
  std::span<const std::uint8_t> bytes_;
};

/// A struct with its defaults, at times as a program of an older or a newer version has it, and at times one that
/// nobody has made.
template <class T>
class Struct {
 public:
  Struct(Bytes& bytes, void (*defaults)(T*, std::size_t)) : none_(bytes.rarely()) {
    const std::size_t size = bytes.often() ? sizeof(T) : 8 + 8 * bytes.below(sizeof(T) / 4);
    memory_.assign(std::max(size, sizeof(T)) / 8 + 1, 0);
    defaults(get(), size);
    promise(get()->size == size, "a default maker sets the size");
    if (bytes.rarely()) get()->size = bytes.below(9);
    if (size > sizeof(T) && bytes.rarely()) memory_[sizeof(T) / 8] = 1;  // a field that the library does not know
  }
  T* get() { return reinterpret_cast<T*>(memory_.data()); }
  T* operator->() { return get(); }
  T* or_null() { return none_ ? nullptr : get(); }

 private:
  bool none_;
  std::vector<std::uint64_t> memory_;
};

/// How many callbacks of a request have come; they outlive their world's model.
struct Heard {
  std::atomic<int> finished{0};
  std::atomic<bool> over{false};
  std::uint32_t fails_at = 0;
  std::atomic<std::uint32_t> tokens{0};
};

class World {
 public:
  explicit World(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  ~World();
  std::size_t run();

 private:
  static constexpr std::uint32_t slots = 3;
  template <class T>
  using Slots = std::array<T*, slots>;

  /// One of the handles, NULL among them.
  template <class T>
  T* any(const Slots<T>& handles) {
    return handles[bytes_.below(slots)];
  }

  /// Where the next handle of a kind goes: the one that was there is given back.
  template <class T>
  T** place(Slots<T>& handles, void (*free_it)(T*)) {
    T*& at = handles[bytes_.below(slots)];
    free_it(at);
    at = nullptr;
    return bytes_.rarely() ? nullptr : &at;
  }

  /// Counts a call, and holds its answer to what the header says.
  template <class Call>
  troupe_status call(const Call& what) {
    troupe_error error;
    troupe_error_default(&error, sizeof error);
    const bool silent = bytes_.rarely();
    const troupe_status status = what(silent ? nullptr : &error);
    ++calls_;
    promise(status >= TROUPE_NOT_YET && status <= TROUPE_FAILED, "a status is one of the header's");
    if (silent) return status;
    promise(error.status == status, "an error's status is the call's");
    const std::string message = error.message;
    promise(message.empty() == (status <= TROUPE_OK), "a failure has a line, and nothing else has");
    promise(message.find('\n') == std::string::npos, "an error is one line");
    return status;
  }

  template <class Call>
  void text_call(const Call& what, std::string* keep = nullptr) {
    char* text = nullptr;
    char** const out = bytes_.rarely() ? nullptr : &text;
    const troupe_status status = call([&](auto* error) { return what(out, error); });
    promise((text != nullptr) == (status == TROUPE_OK), "a text comes with success alone");
    if (text != nullptr && keep != nullptr) *keep = text;
    troupe_free(text);
  }

  const char* path() { return bytes_.rarely() ? "/no/such" : small_file().path.c_str(); }
  std::vector<std::int32_t> ids();
  std::string text();
  void set(Struct<troupe_load_options>& options);
  void set(Struct<troupe_generate_options>& options);

  void new_runtime();
  void add_actor();
  void open();
  void open_source();
  void ask_checkpoint();
  void tokenize();
  void graph();
  void load();
  void load_graph();
  void generate();
  void next();
  void finish();
  void cancel();
  void logits();
  void ask_model();
  void give_back();
  void cancellation();

  Bytes bytes_;
  std::size_t calls_ = 0;
  Slots<troupe_runtime> runtimes_{};
  Slots<troupe_checkpoint> checkpoints_{};
  Slots<troupe_model> models_{};
  Slots<troupe_request> requests_{};
  Slots<troupe_cancellation> cancellations_{};
  std::string graph_;
  std::vector<std::unique_ptr<Heard>> heard_;
  std::vector<std::string> stop_{};
};

World::~World() {
  for (auto* handle : requests_) troupe_request_free(handle);
  for (auto* handle : models_) troupe_model_free(handle);
  for (auto* handle : checkpoints_) troupe_checkpoint_free(handle);
  for (auto* handle : runtimes_) troupe_runtime_free(handle);
  for (auto* handle : cancellations_) troupe_cancellation_free(handle);
  for (const auto& heard : heard_) promise(heard->finished == 1, "on_finish is called once");
}

std::size_t World::run() {
  using Do = void (World::*)();
  constexpr std::array<Do, 26> all{&World::new_runtime,    &World::add_actor,   &World::open,     &World::open_source,
                                   &World::ask_checkpoint, &World::tokenize,    &World::graph,    &World::load,
                                   &World::load_graph,     &World::generate,    &World::generate, &World::generate,
                                   &World::next,           &World::next,        &World::next,     &World::next,
                                   &World::finish,         &World::cancel,      &World::logits,   &World::ask_model,
                                   &World::give_back,      &World::generate,    &World::next,     &World::tokenize,
                                   &World::ask_checkpoint, &World::cancellation};
  new_runtime();
  load();
  while (!bytes_.empty()) (this->*all[bytes_.below(all.size())])();
  return calls_;
}

std::vector<std::int32_t> World::ids() {
  std::vector<std::int32_t> ids(bytes_.below(12));
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(bytes_.below(256));
  if (bytes_.rarely()) ids.push_back(bytes_.often() ? 100000 : -1);
  return ids;
}

std::string World::text() {
  std::string text(bytes_.below(12), 'a');
  for (char& c : text) c = static_cast<char>(bytes_.below(256));
  return text;
}

void World::set(Struct<troupe_load_options>& options) {
  const char* const plans[] = {"tp1", "pp2", "tp2", "dp2", "sp2.tp2", "nonsense"};
  if (options->size < sizeof(troupe_load_options)) return;  // an older program has no such fields
  options->plan = plans[bytes_.below(6)];
  options->threads = 1;
  options->parallel = 1 + bytes_.below(3);
  options->queue = 1 + bytes_.below(3);
  options->fusion = bytes_.often() ? 1 : 0;
  options->copy = static_cast<std::int32_t>(bytes_.below(4)) - 1;
  options->cancel = any(cancellations_);
  if (bytes_.rarely()) options->chunk = bytes_.below(4);
  if (bytes_.rarely()) options->context = 1 + bytes_.below(64);
  if (bytes_.rarely()) options->deadline_ms = bytes_.below(2);
  if (bytes_.rarely()) options->ignore_key_count = 1;
  static const troupe_adapter adapters[] = {{small_file().adapter_path.c_str(), 0.5F, 0}, {"/no/such", 1.0F, 0}};
  if (bytes_.rarely()) {
    options->adapters = bytes_.often() ? adapters : nullptr;
    options->adapter_count = bytes_.below(3);
  }
  if (bytes_.rarely()) options->experts_used = bytes_.below(3);
  if (bytes_.rarely()) options->prefix_weight = static_cast<float>(bytes_.below(3)) - 1.0F;
  if (bytes_.rarely()) options->trace_events = bytes_.below(3);
  if (bytes_.rarely()) options->balance_experts_ms = bytes_.below(3);
  if (bytes_.rarely()) options->experts_beyond = static_cast<std::int32_t>(bytes_.below(4));
  if (bytes_.rarely()) options->weights_budget = 0.5 * bytes_.below(4);
  if (bytes_.rarely()) options->experts_budget = 0.5 * bytes_.below(4);
  if (bytes_.rarely()) options->progress = [](void*, double fraction) { return fraction > 0.5 ? 1 : 0; };
}

void World::set(Struct<troupe_generate_options>& options) {
  if (options->size < sizeof(troupe_generate_options)) return;
  options->max_tokens = bytes_.below(24);
  options->ignore_end = bytes_.often() ? 1 : 0;
  options->seed = bytes_.below(256);
  options->temperature = static_cast<float>(bytes_.below(8)) / 4.0F - 0.25F;
  options->priority = static_cast<std::int32_t>(bytes_.below(3)) - 1;
  if (bytes_.rarely()) options->top_p = static_cast<float>(bytes_.below(5)) / 4.0F;
  static const troupe_logit_bias biases[] = {{1, 2.0F}, {2, -1.0F / 0.0F}, {400, 0.0F}};
  if (bytes_.rarely()) {
    options->logit_bias = biases;
    options->logit_bias_count = bytes_.below(4);
  }
  if (bytes_.rarely()) options->sampler_order = bytes_.often() ? "dtkx" : "q";
  if (bytes_.rarely()) options->min_tokens = bytes_.below(30);
  if (bytes_.rarely()) options->choice = bytes_.below(3);
  if (bytes_.rarely()) options->min_p = static_cast<float>(bytes_.below(6)) / 4.0F;
  if (bytes_.rarely()) options->typical_p = static_cast<float>(bytes_.below(6)) / 4.0F;
  if (bytes_.rarely()) options->xtc_probability = static_cast<float>(bytes_.below(6)) / 4.0F;
  if (bytes_.rarely()) options->repeat_penalty = static_cast<float>(bytes_.below(6)) / 4.0F;
  if (bytes_.rarely()) options->dry_multiplier = static_cast<float>(bytes_.below(6)) - 1.0F;
  if (bytes_.rarely()) options->dry_breaker_count = bytes_.below(3);
  if (bytes_.rarely()) options->mirostat = static_cast<std::int32_t>(bytes_.below(4)) - 1;
  if (bytes_.rarely()) options->deadline_ms = bytes_.below(3);
  if (bytes_.rarely()) options->logprobs = static_cast<std::int32_t>(bytes_.below(24)) - 1;
  if (bytes_.rarely()) options->user_length = 1;
  if (bytes_.rarely()) options->stop_count = 1;
}

void World::new_runtime() {
  Struct options(bytes_, troupe_runtime_options_default);
  if (options->size >= sizeof(troupe_runtime_options)) {
    options->log = [](void*, std::int32_t, const char* line, std::size_t length) {
      promise(std::strlen(line) == length, "a line ends with a zero byte");
    };
  }
  auto** const out = place(runtimes_, troupe_runtime_free);
  call([&](auto* error) { return troupe_runtime_new(options.or_null(), out, error); });
}

void World::add_actor() {
  Struct kind(bytes_, troupe_actor_kind_default);
  if (kind->size >= sizeof(troupe_actor_kind)) {
    kind->on_step = [](void*, const troupe_step* step, troupe_error* error) {
      const bool fails = step->step % 37 == 36;
      return fails ? troupe_error_set(error, TROUPE_ABORTED, "a bad day") : troupe_status{TROUPE_OK};
    };
  }
  const char* const name = bytes_.often() ? "tap" : "shard";
  call([&](auto* error) { return troupe_runtime_add_actor(any(runtimes_), name, kind.or_null(), error); });
}

void World::open() {
  Struct options(bytes_, troupe_load_options_default);
  set(options);
  auto** const out = place(checkpoints_, troupe_checkpoint_free);
  call([&](auto* error) { return troupe_checkpoint_open(any(runtimes_), path(), options.or_null(), out, error); });
}

void World::open_source() {
  Struct source(bytes_, troupe_source_default);
  if (source->size >= sizeof(troupe_source)) {
    source->bytes = small_file().bytes.data();
    source->length = bytes_.often() ? small_file().bytes.size() : bytes_.below(200);
    if (bytes_.rarely()) source->path = path();
    if (bytes_.rarely()) source->descriptor = 1000;
  }
  auto** const out = place(checkpoints_, troupe_checkpoint_free);
  auto* const way = bytes_.often() ? troupe_checkpoint_open_source : troupe_tokenizer_open;
  call([&](auto* error) { return way(any(runtimes_), source.or_null(), nullptr, out, error); });
}

void World::ask_checkpoint() {
  const auto* const checkpoint = any(checkpoints_);
  calls_ += 4;
  promise(troupe_checkpoint_vocabulary(checkpoint) > 0 || checkpoint == nullptr, "a checkpoint has a vocabulary");
  (void)troupe_checkpoint_has_model(checkpoint);
  (void)troupe_checkpoint_layers(checkpoint);
  (void)troupe_checkpoint_context(checkpoint);
  call([&](auto* error) {
    return troupe_checkpoint_metadata(
        checkpoint,
        [](void*, const char* key, const char* value, std::size_t length) {
          promise(key[0] != '\0' && value[length] == '\0', "keys and values are texts");
        },
        nullptr, error);
  });
  call([&](auto* error) {
    return troupe_checkpoint_tensors(
        checkpoint, [](void*, const troupe_tensor_info* tensor) { promise(tensor->bytes > 0, "tensors have bytes"); },
        nullptr, error);
  });
  call([&](auto* error) {
    return troupe_checkpoint_plans(checkpoint, bytes_.below(9),
                                   bytes_.rarely() ? nullptr : troupe_plan_visitor([](auto...) {}), nullptr, error);
  });
}

void World::tokenize() {
  const auto* const checkpoint = any(checkpoints_);
  const std::string asked = text();
  std::int32_t* ids = nullptr;
  std::size_t count = 0;
  auto* const split = bytes_.often() ? troupe_checkpoint_tokenize : troupe_checkpoint_prompt;
  const auto status = call([&](auto* error) {
    return split(checkpoint, asked.data(), asked.size(), static_cast<std::int32_t>(bytes_.below(2)), &ids, &count,
                 error);
  });
  promise((ids != nullptr) == (status == TROUPE_OK), "ids come with success alone");
  text_call([&](auto** out, auto* error) {
    return troupe_checkpoint_detokenize(checkpoint, ids, count, out, nullptr, error);
  });
  troupe_free(ids);
  Struct options(bytes_, troupe_chat_options_default);
  text_call([&](auto** out, auto* error) {
    return troupe_checkpoint_render(checkpoint, asked.data(), asked.size(), options.or_null(), out, nullptr, error);
  });
  text_call([&](auto** out, auto* error) { return troupe_checkpoint_chat_warning(checkpoint, out, nullptr, error); });
}

void World::graph() {
  const auto* const checkpoint = any(checkpoints_);
  Struct options(bytes_, troupe_load_options_default);
  set(options);
  text_call(
      [&](auto** out, auto* error) { return troupe_checkpoint_expand(checkpoint, options.or_null(), out, error); },
      &graph_);
  Struct node(bytes_, troupe_graph_node_default);
  const char* const pairs[] = {"a", "b"};
  if (node->size >= sizeof(troupe_graph_node)) {
    node->name = "tap";
    node->kind = bytes_.rarely() ? nullptr : "tap";
    node->options = pairs;
    node->option_count = bytes_.below(2);
  }
  text_call(
      [&](auto** out, auto* error) {
        return troupe_graph_insert(graph_.c_str(), node.or_null(), "r0.s0.t0:hidden", "r0.s1.t0:hidden", out, error);
      },
      bytes_.often() ? &graph_ : nullptr);
  text_call([&](auto** out, auto* error) { return troupe_graph_dot(graph_.c_str(), out, error); });
  call([&](auto* error) {
    return troupe_checkpoint_memory(
        checkpoint, graph_.c_str(), options.or_null(),
        [](void*, const troupe_actor_memory* held) { promise(held->actor != nullptr, "actors have names"); }, nullptr,
        error);
  });
  text_call([&](auto** out, auto* error) {
    return troupe_checkpoint_program(checkpoint, graph_.c_str(), "r0.s0.t0", options.or_null(), out, error);
  });
}

void World::load() {
  Struct options(bytes_, troupe_load_options_default);
  set(options);
  auto** const out = place(models_, troupe_model_free);
  call([&](auto* error) { return troupe_model_load(any(runtimes_), path(), options.or_null(), out, error); });
}

void World::load_graph() {
  Struct options(bytes_, troupe_load_options_default);
  set(options);
  auto** const out = place(models_, troupe_model_free);
  const char* const drawn = bytes_.often() ? graph_.c_str() : nullptr;
  call([&](auto* error) {
    return troupe_model_load_checkpoint(any(runtimes_), any(checkpoints_), drawn, options.or_null(), out, error);
  });
}

troupe_status on_token(void* user, std::uint64_t request, const troupe_token* token, troupe_error* error) {
  auto& heard = *static_cast<Heard*>(user);
  promise(!heard.over && request > 0 && token->text[token->length] == '\0', "tokens come before the end");
  return ++heard.tokens == heard.fails_at ? troupe_error_set(error, TROUPE_ABORTED, "enough") : TROUPE_OK;
}

void on_finish(void* user, std::uint64_t, const troupe_finish* finish) {
  auto& heard = *static_cast<Heard*>(user);
  heard.over = true;
  promise((finish->status == TROUPE_OK) == (finish->message[0] == '\0'), "a finish that failed has a line");
  ++heard.finished;
}

void World::generate() {
  Struct options(bytes_, troupe_generate_options_default);
  set(options);
  Struct callbacks(bytes_, troupe_callbacks_default);
  const bool by_callback = bytes_.often() && callbacks->size >= sizeof(troupe_callbacks);
  auto heard = std::make_unique<Heard>();
  if (by_callback) {
    heard->fails_at = bytes_.below(40);
    callbacks->on_token = on_token;
    callbacks->on_finish = on_finish;
    callbacks->user = heard.get();
  }
  auto** const out = place(requests_, troupe_request_free);
  const auto* const to = by_callback ? callbacks.get() : nullptr;
  const std::vector<std::int32_t> prompt = ids();
  const std::string said = text();
  const bool as_text = bytes_.below(2) == 0;
  const auto status = call([&](auto* error) {
    const auto* const model = any(models_);
    return as_text ? troupe_model_generate(model, said.data(), said.size(), options.or_null(), to, out, error)
                   : troupe_model_generate_ids(model, prompt.data(), prompt.size(), options.or_null(), to, out, error);
  });
  if (by_callback && status == TROUPE_OK) heard_.push_back(std::move(heard));
}

void World::next() {
  auto* const request = any(requests_);
  Struct token(bytes_, troupe_token_default);
  const std::int64_t timeout = static_cast<std::int64_t>(bytes_.below(4)) - 1;
  for (std::uint32_t i = bytes_.below(6); i < 6; ++i) {
    const auto status =
        call([&](auto* error) { return troupe_request_next(request, timeout, token.or_null(), error); });
    if (status != TROUPE_OK) return;
    const bool whole = token->size >= offsetof(troupe_token, logprobs);
    promise(!whole || token->text[token->length] == '\0', "a token's text ends with a zero byte");
  }
}

void World::finish() {
  Struct finish(bytes_, troupe_finish_default);
  auto* const request = any(requests_);
  call([&](auto* error) { return troupe_request_finish(request, finish.or_null(), error); });
  promise(request == nullptr || troupe_request_id(request) > 0, "requests have numbers");
  promise(troupe_finish_name(static_cast<std::int32_t>(bytes_.below(9)) - 1) != nullptr, "finishes have names");
}

void World::cancel() {
  call([&](auto* error) { return troupe_request_cancel(any(requests_), error); });
}

void World::logits() {
  Struct options(bytes_, troupe_logits_options_default);
  if (options->size >= sizeof(troupe_logits_options)) {
    options->cancel = any(cancellations_);
    if (bytes_.rarely()) options->deadline_ms = bytes_.below(2);
    if (bytes_.rarely()) options->first = bytes_.below(64);
  }
  const std::vector<std::int32_t> prompt = ids();
  const troupe_logits_sink sink = [](void* user, std::uint32_t position, const float* row, std::size_t count, auto*) {
    promise(count > 0 && row[count - 1] == row[count - 1], "logits are numbers");
    return position == *static_cast<std::uint32_t*>(user) ? troupe_status{TROUPE_NOT_FOUND} : troupe_status{TROUPE_OK};
  };
  std::uint32_t fails_at = bytes_.below(64);
  call([&](auto* error) {
    return troupe_model_logits(any(models_), prompt.data(), prompt.size(), static_cast<std::int32_t>(bytes_.below(2)),
                               options.or_null(), sink, &fails_at, error);
  });
}

void World::ask_model() {
  const auto* const model = any(models_);
  Struct stats(bytes_, troupe_stats_default);
  call([&](auto* error) { return troupe_model_stats(model, stats.or_null(), error); });
  std::uint32_t last = 0;
  call([&](auto* error) {
    return troupe_model_replicas(
        model,
        [](void* user, const troupe_replica_stats* replica) { *static_cast<std::uint32_t*>(user) = replica->number; },
        &last, error);
  });
  call([&](auto* error) {
    return troupe_model_experts(
        model,
        [](void* user, const troupe_expert_load* layer) { *static_cast<std::uint32_t*>(user) = layer->layer; }, &last,
        error);
  });
  if (bytes_.rarely()) call([&](auto* error) { return troupe_model_drain(model, last, error); });
  if (bytes_.rarely()) call([&](auto* error) { return troupe_model_replicate(model, 1, &last, error); });
  if (bytes_.rarely()) call([&](auto* error) { return troupe_model_replace(model, graph_.c_str(), error); });
  auto** const out = place(checkpoints_, troupe_checkpoint_free);
  call([&](auto* error) { return troupe_model_checkpoint(model, out, error); });
}

void World::cancellation() {
  auto** const out = place(cancellations_, troupe_cancellation_free);
  call([&](auto* error) { return troupe_cancellation_new(out, error); });
  if (bytes_.rarely()) troupe_cancellation_cancel(any(cancellations_));
}

void World::give_back() {
  ++calls_;
  switch (bytes_.below(4)) {
    case 0:
      place(requests_, troupe_request_free);
      break;
    case 1:
      place(models_, troupe_model_free);
      break;
    case 2:
      place(checkpoints_, troupe_checkpoint_free);
      break;
    default:
      place(runtimes_, troupe_runtime_free);
  }
}

}  // namespace

std::size_t call_at_random(std::span<const std::uint8_t> bytes) { return World(bytes).run(); }

}  // namespace troupe::testing
