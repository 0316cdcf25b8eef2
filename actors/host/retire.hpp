#pragma once

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "runtime/program/own_thread.hpp"
#include "troupe/error.hpp"

namespace troupe::host {

/// The process that made an object. A child of fork() has a copy of its memory and none of its threads.
class Process {
 public:
  [[nodiscard]] bool is_this() const { return getpid() == id_; }

  /// Throws invalid_argument in a child of fork().
  void check() const {
    if (!is_this()) {
      throw Error(
          Code::invalid_argument,
          "this process is a child of fork(), and the runtime's threads are in its parent; make a Runtime here, and "
          "load the model in it");
    }
  }

 private:
  pid_t id_ = getpid();
};

/// Ends an object whose end may wait for threads of the runtime, whoever lets go of it last: on such a thread another
/// one does it; in a child of fork(), where they do not live and their locks may be held for ever, nobody does, and its
/// memory goes with the process.
class Retire {
 public:
  template <class T>
  void operator()(T* object) const noexcept {
    if (!process_.is_this()) return;
    if (!on_own_thread()) {
      delete object;
      return;
    }
    try {
      start_thread("troupe.closing", [object] { delete object; }).detach();
    } catch (...) {  // no thread to be had: to keep the object is the least harm
    }
  }

 private:
  Process process_;
};

/// A shared object that ends as Retire says.
template <class T, class... Args>
[[nodiscard]] std::shared_ptr<T> make_retiring(Args&&... args) {
  return std::shared_ptr<T>(new T(std::forward<Args>(args)...), Retire());
}

/// What a handle holds; throws invalid_argument where it has been moved from.
template <class T>
[[nodiscard]] T& held(const std::shared_ptr<T>& impl, const char* what) {
  if (impl != nullptr) return *impl;
  throw Error(Code::invalid_argument, std::string(what) + " has been moved from");
}

}  // namespace troupe::host
