#pragma once

#include <memory>

#include "actors/host/model.hpp"
#include "actors/host/stream.hpp"

namespace troupe {

/// One request of a model, as its host sees it.
class Generation::Impl {
 public:
  Impl(std::shared_ptr<Model::Impl> asked, std::shared_ptr<host::StreamBuffer> tokens, SequenceId number)
      : model(std::move(asked)), stream(std::move(tokens)), id(number) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  const std::shared_ptr<Model::Impl> model;
  const std::shared_ptr<host::StreamBuffer> stream;
  const SequenceId id;
};

}  // namespace troupe
