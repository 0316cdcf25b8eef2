#pragma once

#include <atomic>
#include <limits>
#include <string>

#include "tests/host/house.hpp"

namespace troupe::testing {

/// The tiny model's end of the text.
inline constexpr TokenId end_id = 265;

/// A model that says what a request's `user` bytes are, a token a byte, behind a prompt of one token, and then ends its
/// text. Shows what is asked of texts without what a model would say of its own.
class Parrot {
 public:
  explicit Parrot(const std::string& plan = "pp2", RuntimeOptions options = {}, std::uint32_t parallel = 16)
      : runtime_(std::move(options)), model_(load(plan, parallel)) {}

  [[nodiscard]] const Model& model() const { return *model_; }
  void close() { model_.reset(); }

  /// Where a text has come to its twentieth token it passes the gate; null: none.
  void hold(Gate* gate) const { gate_ = gate; }

  [[nodiscard]] static GenerateOptions to_say(const std::string& text, const std::vector<std::string>& stop = {}) {
    GenerateOptions options;
    options.stop = stop;
    options.user = text;
    return options;
  }

  struct Said {
    std::string text;
    Ids ids;
    std::optional<Finish> finish;
  };
  [[nodiscard]] Said say(const GenerateOptions& options, const Ids& prompt = {1}) const {
    Said said;
    Generation stream = model_->generate(prompt, options);
    try {
      for (const Token& token : stream) {
        said.text += token.text;
        if (token.id != no_token) said.ids.push_back(token.id);
      }
    } catch (const Error&) {  // it is in `finish`
    }
    said.finish = stream.finish();
    return said;
  }

 private:
  void speak(const StepView& step) {
    for (std::size_t i = 0; i < step.rows.size(); ++i) {
      const StepRow& row = step.rows[i];
      Gate* const gate = gate_;
      if (gate != nullptr && row.position >= 20) gate->pass();
      const auto row_out = step.out.row(i);
      std::fill(row_out.begin(), row_out.end(), 0.0F);
      const bool over = row.position >= row.user.size();
      row_out[over ? end_id : static_cast<std::uint8_t>(row.user[row.position])] = 50.0F;
    }
  }
  std::optional<Model> load(const std::string& plan, std::uint32_t parallel) {
    runtime_.add_actor("parrot", factory_of([this](const StepView& step) { speak(step); }));
    const LoadOptions options{.plan = plan, .threads = 1, .parallel = parallel};
    const Checkpoint checkpoint = runtime_.open(tiny_path());
    return runtime_.load(checkpoint, with_actors(checkpoint.expand(options), "parrot", "logits"), options);
  }

  mutable std::atomic<Gate*> gate_ = nullptr;
  Runtime runtime_;
  std::optional<Model> model_;
};

}  // namespace troupe::testing
