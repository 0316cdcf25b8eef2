#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>

#include "runtime/c/troupe.h"
#include "tests/host/tiny_model.hpp"
#include "tests/model_files.hpp"

namespace troupe::testing {

/// The tiny model, written once.
inline const std::string& tiny_path() {
  static const MemoryFile file(TinyModel{}.file());
  static const std::string path = file.path();
  return path;
}

/// A struct with its defaults.
template <class T>
T made(void (*defaults)(T*, std::size_t)) {
  T made;
  defaults(&made, sizeof made);
  return made;
}

/// An error to hand to a call, and what it said.
class Said {
 public:
  operator troupe_error*() { return &error_; }
  troupe_error* get() { return &error_; }
  [[nodiscard]] std::string message() const { return error_.message; }
  [[nodiscard]] troupe_status status() const { return error_.status; }

 private:
  troupe_error error_ = made(troupe_error_default);
};

/// A call that must succeed.
template <class Call>
void succeeds(const Call& call) {
  Said said;
  const troupe_status status = call(said.get());
  INFO(said.message());
  CHECK(status == TROUPE_OK);
  CHECK(said.status() == TROUPE_OK);
}

/// A call that must fail with a status, and the words of one line.
template <class Call>
void fails(troupe_status expected, const std::string& words, const Call& call) {
  Said said;
  const troupe_status status = call(said.get());
  INFO(said.message());
  CHECK(status == expected);
  CHECK(said.status() == expected);
  CHECK(said.message().find(words) != std::string::npos);
  CHECK(said.message().find('\n') == std::string::npos);
}

/// A call in which `parameter` is NULL.
template <class Call>
void needs(const std::string& parameter, const Call& call) {
  fails(TROUPE_INVALID_ARGUMENT, "\"" + parameter + "\" is NULL", call);
}

/// A handle that is freed at the end.
template <class T, void (*Free)(T*)>
class Held {
 public:
  Held() = default;
  Held(Held&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Held& operator=(Held&&) = delete;
  ~Held() { Free(handle_); }
  operator T*() const { return handle_; }
  T** out() { return &handle_; }
  void free() { Free(std::exchange(handle_, nullptr)); }

 private:
  T* handle_ = nullptr;
};
using HeldRuntime = Held<troupe_runtime, troupe_runtime_free>;
using HeldCheckpoint = Held<troupe_checkpoint, troupe_checkpoint_free>;
using HeldModel = Held<troupe_model, troupe_model_free>;

inline HeldRuntime new_runtime() {
  HeldRuntime runtime;
  succeeds([&](troupe_error* error) { return troupe_runtime_new(nullptr, runtime.out(), error); });
  return runtime;
}

inline HeldCheckpoint opened(const troupe_runtime* runtime) {
  HeldCheckpoint checkpoint;
  succeeds([&](auto* error) {
    return troupe_checkpoint_open(runtime, tiny_path().c_str(), nullptr, checkpoint.out(), error);
  });
  return checkpoint;
}

inline troupe_load_options load_options(const char* plan = nullptr) {
  auto options = made(troupe_load_options_default);
  options.plan = plan;
  options.threads = 1;
  return options;
}

inline HeldModel loaded(const troupe_runtime* runtime, const char* plan = nullptr) {
  HeldModel model;
  const auto options = load_options(plan);
  succeeds([&](auto* error) { return troupe_model_load(runtime, tiny_path().c_str(), &options, model.out(), error); });
  return model;
}

/// A text that a call hands out.
template <class Call>
std::string text_from(const Call& call) {
  char* text = nullptr;
  succeeds([&](troupe_error* error) { return call(&text, error); });
  const std::string taken = text == nullptr ? "" : text;
  troupe_free(text);
  return taken;
}

inline std::string expanded(const troupe_checkpoint* checkpoint, const char* plan) {
  const auto options = load_options(plan);
  return text_from(
      [&](auto** graph, auto* error) { return troupe_checkpoint_expand(checkpoint, &options, graph, error); });
}

}  // namespace troupe::testing
