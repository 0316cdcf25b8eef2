#pragma once

#include <utility>
#include <vector>

#include "tests/c/c_api.hpp"

namespace troupe::testing {

using Ids = std::vector<std::int32_t>;
inline const Ids hello{104, 101, 108, 108, 111};

using HeldRequest = Held<troupe_request, troupe_request_free>;

/// So many tokens, whatever they are.
inline troupe_generate_options tokens(std::uint32_t count) {
  auto options = made(troupe_generate_options_default);
  options.max_tokens = count;
  options.ignore_end = 1;
  return options;
}

inline HeldRequest started(const troupe_model* model, const Ids& prompt, const troupe_generate_options& options) {
  HeldRequest request;
  succeeds([&](auto* error) {
    return troupe_model_generate_ids(model, prompt.data(), prompt.size(), &options, nullptr, request.out(), error);
  });
  return request;
}

/// What a stream came to.
struct Read {
  Ids ids;
  troupe_status status = TROUPE_OK;
  std::string text{}, message{};
};

inline Read read(troupe_request* request) {
  Read got;
  Said said;
  auto token = made(troupe_token_default);
  while ((got.status = troupe_request_next(request, -1, &token, said)) == TROUPE_OK) {
    if (token.id >= 0) got.ids.push_back(token.id);
    got.text.append(token.text, token.length);
  }
  got.message = said.message();
  return got;
}

inline Read read(HeldRequest request) { return read(static_cast<troupe_request*>(request)); }

inline std::vector<troupe_replica_stats> replicas(const troupe_model* model) {
  std::vector<troupe_replica_stats> found;
  succeeds([&](auto* error) {
    return troupe_model_replicas(
        model,
        [](void* user, const troupe_replica_stats* replica) {
          static_cast<std::vector<troupe_replica_stats>*>(user)->push_back(*replica);
        },
        &found, error);
  });
  return found;
}

}  // namespace troupe::testing
