#include "runtime/cli/batch.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/cli/json.hpp"
#include "runtime/cli/output.hpp"

namespace troupe::cli {
namespace {

BatchLine parse_line(std::string_view text) {
  const boost::json::value value = parse_json(text);
  const auto* object = value.if_object();
  const auto* prompt = object == nullptr ? nullptr : object->if_contains("prompt");
  const auto* messages = object == nullptr ? nullptr : object->if_contains("messages");
  if (prompt != nullptr && prompt->is_string() && messages == nullptr) return {std::string(prompt->get_string()), ""};
  if (messages != nullptr && messages->is_array() && prompt == nullptr) return {"", boost::json::serialize(*messages)};
  throw Error(Code::bad_file, R"(wanted is {"prompt": "…"} or {"messages": […]})");
}

/// What comes of a line, filled by the runtime's threads.
struct Outcome {
  std::string text;
  std::optional<Finish> finish;  ///< once it has ended
};

/// Requests under way. Their callbacks hold it.
class Batch : public std::enable_shared_from_this<Batch> {
 public:
  explicit Batch(bool writes) : writes_(writes) {}

  /// Starts a request; `start` gets its callbacks.
  void add(const std::function<void(StreamCallbacks)>& start) {
    auto outcome = std::make_shared<Outcome>();
    {
      const std::lock_guard lock(mutex_);
      outcomes_.push_back(outcome);
      ++running_;
    }
    try {
      start({.on_token = [outcome](const Request&, Token token) { outcome->text += token.text; },
             .on_finish = [outcome, self = shared_from_this()](const Request&,
                                                               Finish how) { self->end(*outcome, how); }});
    } catch (const Error& error) {
      end(*outcome, {.reason = FinishReason::error, .error = error});
    }
  }

  /// Waits until fewer than `count` run.
  void wait_for_fewer(std::size_t count) {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return running_ < count; });
  }

  /// The first one that has not been taken, where it has ended.
  std::optional<Outcome> take() {
    const std::lock_guard lock(mutex_);
    if (outcomes_.empty() || !outcomes_.front()->finish) return {};
    const Outcome outcome = std::move(*outcomes_.front());
    outcomes_.pop_front();
    return outcome;
  }

 private:
  void end(Outcome& outcome, Finish how) {
    const std::lock_guard lock(mutex_);
    if (!writes_) outcome.text.clear();
    if (!writes_) how.usage.generated_tokens = 0;
    outcome.finish = std::move(how);
    --running_;
    ended_.notify_one();
  }

  const bool writes_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
  std::deque<std::shared_ptr<Outcome>> outcomes_;
};

std::string json_of(const Outcome& outcome) {
  const Usage& usage = outcome.finish->usage;
  const auto& error = outcome.finish->error;
  return "{\"text\":" + json_string(outcome.text) + ",\"finish\":\"" + to_string(outcome.finish->reason) +
         "\",\"usage\":{\"prompt_tokens\":" + std::to_string(usage.prompt_tokens) +
         ",\"cached_tokens\":" + std::to_string(usage.cached_tokens) +
         ",\"generated_tokens\":" + std::to_string(usage.generated_tokens) + "}" +
         (error ? ",\"error\":" + json_string(error->message()) : "") + "}\n";
}

/// Prints what has ended of those in front; how many of them failed.
std::size_t print_ended(Batch& batch) {
  std::size_t failed = 0;
  while (const auto outcome = batch.take()) {
    print(json_of(*outcome));
    failed += outcome->finish->error ? 1 : 0;
  }
  return failed;
}

}  // namespace

std::vector<BatchLine> parse_batch(std::string_view text) {
  std::vector<BatchLine> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    try {
      lines.push_back(parse_line(line));
    } catch (const Error& error) {
      throw Error(error.code(), "line " + std::to_string(number) + " of the batch: " + error.message());
    }
  }
  return lines;
}

std::size_t run_batch(const Model& model, const std::vector<BatchLine>& lines,
                      const std::function<std::vector<TokenId>(const BatchLine&)>& ids_of,
                      const GenerateOptions& options, std::size_t parallel, bool writes) {
  const auto batch = std::make_shared<Batch>(writes);
  std::size_t failed = 0;
  for (const BatchLine& line : lines) {
    batch->wait_for_fewer(parallel);
    batch->add([&](StreamCallbacks to) { (void)model.generate(ids_of(line), options, std::move(to)); });
    failed += print_ended(*batch);
  }
  batch->wait_for_fewer(1);
  return failed + print_ended(*batch);
}

}  // namespace troupe::cli
