#include <cstddef>
#include <cstring>
#include <vector>

#include "tests/c/c_api.hpp"

namespace troupe::testing {
namespace {

/// A struct as a program of another version has it: so long, and whatever lies in its memory before it is made.
template <class T>
class Foreign {
 public:
  Foreign(std::size_t size, void (*defaults)(T*, std::size_t)) : memory_(2 * sizeof(T) + size, std::byte{0xA5}) {
    defaults(get(), size);
    CHECK(get()->size == size);
    CHECK(memory_[size] == std::byte{0xA5});  // nothing is written behind it
  }
  T* get() { return reinterpret_cast<T*>(memory_.data()); }
  std::byte& operator[](std::size_t offset) { return memory_[offset]; }

 private:
  std::vector<std::byte> memory_;
};

/// What a load with these options comes to.
troupe_status load_with(const troupe_load_options* options, Said& said) {
  HeldRuntime runtime = new_runtime();
  HeldModel model;
  return troupe_model_load(runtime, tiny_path().c_str(), options, model.out(), said);
}

}  // namespace

// What the first version laid out: a field that moves, or a struct that gets shorter, breaks programs that were built.
static_assert(offsetof(troupe_error, message) == 12 && sizeof(troupe_error) >= 1024);
static_assert(offsetof(troupe_stats, running) == 76 && sizeof(troupe_stats) >= 80);
static_assert(offsetof(troupe_runtime_options, control_threads) == 48 && sizeof(troupe_runtime_options) >= 56);
static_assert(offsetof(troupe_step, view) == 88 && sizeof(troupe_step) >= 96);
static_assert(offsetof(troupe_actor_kind, release) == 40 && sizeof(troupe_actor_kind) >= 48);
static_assert(offsetof(troupe_load_options, prefix_cache) == 116 && sizeof(troupe_load_options) >= 120);
static_assert(offsetof(troupe_load_options, adapter_count) == 128 && sizeof(troupe_load_options) >= 136);
static_assert(offsetof(troupe_adapter, scale) == 8 && sizeof(troupe_adapter) == 16);
static_assert(offsetof(troupe_source, descriptor) == 56 && sizeof(troupe_source) >= 64);
static_assert(offsetof(troupe_tensor_info, bytes) == 40 && sizeof(troupe_tensor_info) >= 48);
static_assert(offsetof(troupe_actor_memory, total) == 64 && sizeof(troupe_actor_memory) >= 72);
static_assert(offsetof(troupe_graph_node, replica) == 40 && sizeof(troupe_graph_node) >= 48);
static_assert(offsetof(troupe_generate_options, priority) == 100 && sizeof(troupe_generate_options) >= 216);
static_assert(offsetof(troupe_generate_options, mirostat_eta) == 212);
static_assert(offsetof(troupe_token, id) == 40 && sizeof(troupe_token) >= 48);
static_assert(offsetof(troupe_finish, status) == 48 && sizeof(troupe_finish) >= 56);
static_assert(offsetof(troupe_callbacks, release) == 32 && sizeof(troupe_callbacks) >= 40);
static_assert(offsetof(troupe_logits_options, priority) == 56 && sizeof(troupe_logits_options) >= 64);
static_assert(offsetof(troupe_replica_stats, reserved) == 44 && sizeof(troupe_replica_stats) >= 48);
static_assert(offsetof(troupe_chat_options, generation_prompt) == 32 && sizeof(troupe_chat_options) >= 40);
static_assert(offsetof(troupe_text_span, trusted) == 16 && sizeof(troupe_text_span) == 24);
static_assert(offsetof(troupe_logprob, logprob) == 4 && sizeof(troupe_logprob) == 8);

TEST_CASE("C: a struct of another version's length works, with defaults where it has no field") {
  constexpr std::size_t whole = sizeof(troupe_load_options);
  for (std::size_t size = sizeof(std::size_t); size <= 2 * whole; ++size) {
    INFO("size " << size);
    Foreign<troupe_load_options> options(size, troupe_load_options_default);
    if (size >= offsetof(troupe_load_options, threads) + 8) options.get()->threads = 1;
    Said said;
    CHECK(load_with(options.get(), said) == TROUPE_OK);
    CHECK(said.message().empty());
  }
}

TEST_CASE("C: what a shorter struct has counts, and what lies behind it does not") {
  constexpr std::size_t size = offsetof(troupe_load_options, chunk);  // an older version ended here
  Foreign<troupe_load_options> options(size, troupe_load_options_default);
  std::memset(&options[size], 0xFF, sizeof(troupe_load_options) - size);
  Said said;
  options.get()->context = 16;
  CHECK(load_with(options.get(), said) == TROUPE_OK);
  options.get()->context = 1U << 30U;
  CHECK(load_with(options.get(), said) == TROUPE_INVALID_ARGUMENT);
}

TEST_CASE("C: a field that the library does not know must be zero") {
  constexpr std::size_t whole = sizeof(troupe_load_options);
  Foreign<troupe_load_options> options(whole + 8, troupe_load_options_default);
  options[whole + 7] = std::byte{1};
  Said said;
  CHECK(load_with(options.get(), said) == TROUPE_UNSUPPORTED);
  CHECK(said.message().find("troupe_load_options") != std::string::npos);
  auto reserved = made(troupe_runtime_options_default);
  reserved.reserved = 1;
  troupe_runtime* none = nullptr;
  fails(TROUPE_UNSUPPORTED, "troupe_runtime_options",
        [&](auto* error) { return troupe_runtime_new(&reserved, &none, error); });
}

TEST_CASE("C: a struct whose size was never set is refused") {
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{4097}, SIZE_MAX}) {
    auto options = made(troupe_load_options_default);
    options.size = size;
    Said said;
    CHECK(load_with(&options, said) == TROUPE_INVALID_ARGUMENT);
    CHECK(said.message().find("troupe_load_options_default") != std::string::npos);
  }
}

TEST_CASE("C: default makers take NULL and no room") {
  troupe_load_options_default(nullptr, sizeof(troupe_load_options));
  troupe_runtime_options_default(nullptr, 8);
  troupe_stats_default(nullptr, 8);
  troupe_source_default(nullptr, 8);
  troupe_generate_options_default(nullptr, 8);
  troupe_callbacks_default(nullptr, 8);
  troupe_token_default(nullptr, 8);
  troupe_finish_default(nullptr, 8);
  troupe_logits_options_default(nullptr, 8);
  troupe_actor_kind_default(nullptr, 8);
  troupe_graph_node_default(nullptr, 8);
  troupe_chat_options_default(nullptr, 8);
  troupe_error_default(nullptr, 8);
  std::size_t guard = 77;
  troupe_load_options_default(reinterpret_cast<troupe_load_options*>(&guard), 7);
  troupe_error_default(reinterpret_cast<troupe_error*>(&guard), 7);
  CHECK(guard == 77);
}

}  // namespace troupe::testing
