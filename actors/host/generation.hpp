#pragma once

#include <memory>
#include <optional>

#include "actors/host/model.hpp"
#include "actors/host/stream.hpp"

namespace troupe {

/// Which request of which model.
class Request::Impl {
 public:
  Impl(std::weak_ptr<Model::Impl> asked, host::Process process, SequenceId number)
      : model(std::move(asked)), made_in(process), id(number) {}

  const std::weak_ptr<Model::Impl> model;
  const host::Process made_in;
  const SequenceId id;
};

/// One request of a model, for the host that reads it.
class Generation::Impl {
 public:
  explicit Impl(std::shared_ptr<Model::Impl> asked) : model(std::move(asked)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  /// What fills the buffer, for as long as either lives.
  [[nodiscard]] StreamCallbacks callbacks() const;

  const std::shared_ptr<Model::Impl> model;
  const std::shared_ptr<host::StreamBuffer> stream = std::make_shared<host::StreamBuffer>();
  std::optional<Request> request;  ///< once it has been made
};

}  // namespace troupe
