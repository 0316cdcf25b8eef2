#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include "actors/host/open_requests.hpp"
#include "actors/log.hpp"
#include "actors/messages.hpp"

namespace troupe::host {

/// The host's end of a request: calls its callbacks, one at a time, in order. Holds no lock while they run, so they may
/// call whatever they like. Of what ends the stream while one runs, the thread that runs it takes care.
class CallbackStream final : public actors::Stream {
 public:
  CallbackStream(Request request, StreamCallbacks callbacks, std::uint32_t prompt_tokens,
                 std::shared_ptr<OpenRequests> open, actors::Log log)
      : request_(std::move(request)),
        callbacks_(std::move(callbacks)),
        open_(std::move(open)),
        log_(std::move(log)),
        usage_{.prompt_tokens = prompt_tokens} {}

  [[nodiscard]] std::optional<Error> push(Token token) override;
  void begin(std::uint32_t cached_tokens) override;
  void end(Finish finish) override;

 private:
  void note(const Token& token);
  [[nodiscard]] std::optional<Error> tell(Token token);
  void tell_end();

  const Request request_;
  StreamCallbacks callbacks_;
  const std::shared_ptr<OpenRequests> open_;
  const actors::Log log_;
  const std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();

  std::mutex mutex_;  ///< guards what follows
  Usage usage_;
  std::optional<Finish> finish_;  ///< how it ended, until on_finish is given it
  bool calling_ = false, deaf_ = false, over_ = false;
};

}  // namespace troupe::host
