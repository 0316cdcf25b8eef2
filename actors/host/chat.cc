#include "troupe/chat.hpp"

#include <charconv>
#include <chrono>
#include <ctime>
#include <optional>

#include "actors/host/checkpoint.hpp"
#include "actors/host/retire.hpp"
#include "kernels/floating_point.hpp"
#include "runtime/text/template/chat_template.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

const Checkpoint::Impl& opened(const Checkpoint& checkpoint) { return host::held(checkpoint.impl(), "the checkpoint"); }

/// The text of the token that a key names; empty where the file has no such key or token.
std::string token_text(const ModelFile& file, std::string_view key) {
  const auto id = file.integer(key);
  const auto* tokens = file.find("tokenizer.ggml.tokens");
  const auto* array = tokens == nullptr ? nullptr : std::get_if<MetaArray>(tokens);
  if (!id || array == nullptr || *id >= array->count) return {};
  return std::string(array->strings()[*id]);
}

std::tm today() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return local;
}

std::optional<int> number(std::string_view digits) {
  int value = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || stop != digits.data() + digits.size() || digits.front() == '-') return {};
  return value;
}

/// Midnight of a day that is given as year-month-day.
std::tm day_of(const std::string& date) {
  using namespace std::chrono;
  if (date.size() == 10 && date[4] == '-' && date[7] == '-') {
    const auto y = number(date.substr(0, 4)), m = number(date.substr(5, 2)), d = number(date.substr(8, 2));
    const year_month_day day = y && m && d ? year(*y) / *m / *d : year_month_day();
    if (y && m && d && day.ok()) {
      std::tm out{};
      out.tm_year = *y - 1900;
      out.tm_mon = *m - 1;
      out.tm_mday = *d;
      out.tm_wday = static_cast<int>(weekday(sys_days(day)).c_encoding());
      out.tm_yday = static_cast<int>((sys_days(day) - sys_days(year(*y) / 1 / 1)).count());
      return out;
    }
  }
  throw Error(Code::invalid_argument, "the date " + quoted(date) + " is none; wanted is one like 2026-01-31");
}

}  // namespace

ChatFormat chat_format(const Checkpoint& checkpoint) {
  const ModelFile& file = opened(checkpoint).file;
  ChatFormat format;
  format.bos_token = token_text(file, "tokenizer.ggml.bos_token_id");
  format.eos_token = token_text(file, "tokenizer.ggml.eos_token_id");
  format.chat_template = chatml_template;
  const auto own = file.string("tokenizer.chat_template");
  const auto parsed = own ? ChatTemplate::parse(*own) : Result<ChatTemplate>(own.error());
  if (parsed) {
    format.chat_template = *own;
  } else {
    const bool missing = file.find("tokenizer.chat_template") == nullptr;
    format.warning = on_one_line(missing ? file.path + ": has no chat template; it is taken to be ChatML"
                                         : file.path +
                                               ": its chat template cannot be read, so it is taken to be "
                                               "ChatML (" +
                                               parsed.error().message() + ")");
  }
  return format;
}

std::vector<TextPart> chat_parts(const ChatFormat& format, std::string_view messages, const ChatOptions& options) {
  const kernels::FloatingPointScope floats;
  const std::tm now = options.date.empty() ? today() : day_of(options.date);
  const ChatTemplate parsed = ChatTemplate::parse(format.chat_template).value();
  return parsed.render({messages, options.tools, options.generation_prompt, format.bos_token, format.eos_token, now})
      .value();
}

std::string render_chat(const ChatFormat& format, std::string_view messages, const ChatOptions& options) {
  return joined(chat_parts(format, messages, options));
}

std::vector<TokenId> chat_prompt(const Checkpoint& checkpoint, const ChatFormat& format, std::string_view messages,
                                 const ChatOptions& options) {
  const std::vector<TextPart> parts = chat_parts(format, messages, options);
  std::vector<TextSpan> spans;
  for (const TextPart& part : parts) spans.push_back({part.text, part.trusted});
  return checkpoint.prompt(spans);
}

std::vector<TokenId> Checkpoint::chat(std::string_view messages, std::string_view tools) const {
  return chat_prompt(*this, chat_format(*this), messages, {.tools = std::string(tools)});
}

}  // namespace troupe
