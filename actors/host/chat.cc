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
std::string token_text(const ModelFile& file, std::string_view key, const Tokenizer& tokenizer) {
  const auto id = file.integer(key);
  return id && *id < tokenizer.size() ? tokenizer.piece(static_cast<TokenId>(*id), true) : std::string();
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

std::vector<TextPart> parts_of(const ChatTemplate& parsed, const ChatFormat& format, std::string_view messages,
                               const ChatOptions& options) {
  const kernels::FloatingPointScope floats;
  const std::tm now = options.date.empty() ? today() : day_of(options.date);
  return parsed.render({messages, options.tools, options.generation_prompt, format.bos_token, format.eos_token, now})
      .value();
}

}  // namespace

host::Chat host::chat_of(const ModelFile& file, const Tokenizer& tokenizer) {
  const auto own = file.string("tokenizer.chat_template");
  auto parsed = own ? ChatTemplate::parse(*own) : Result<ChatTemplate>(own.error());
  ChatFormat format;
  format.bos_token = token_text(file, "tokenizer.ggml.bos_token_id", tokenizer);
  format.eos_token = token_text(file, "tokenizer.ggml.eos_token_id", tokenizer);
  format.chat_template = parsed ? *own : chatml_template;
  if (parsed) return {std::move(format), std::move(*parsed)};
  const bool missing = file.find("tokenizer.chat_template") == nullptr;
  format.warning =
      on_one_line(missing ? file.path + ": has no chat template; it is taken to be ChatML"
                          : file.path + ": its chat template cannot be read, so it is taken to be ChatML (" +
                                parsed.error().message() + ")");
  return {std::move(format), ChatTemplate::parse(chatml_template).value()};
}

ChatFormat chat_format(const Checkpoint& checkpoint) { return opened(checkpoint).chat->format; }

std::vector<TextPart> chat_parts(const ChatFormat& format, std::string_view messages, const ChatOptions& options) {
  return parts_of(ChatTemplate::parse(format.chat_template).value(), format, messages, options);
}

std::string render_chat(const ChatFormat& format, std::string_view messages, const ChatOptions& options) {
  return joined(chat_parts(format, messages, options));
}

std::vector<TokenId> chat_prompt(const Checkpoint& checkpoint, const ChatFormat& format, std::string_view messages,
                                 const ChatOptions& options) {
  const host::Chat& own = *opened(checkpoint).chat;
  const bool is_own = format.chat_template == own.format.chat_template;
  const std::vector<TextPart> parts =
      is_own ? parts_of(own.parsed, format, messages, options) : chat_parts(format, messages, options);
  std::vector<TextSpan> spans;
  for (const TextPart& part : parts) spans.push_back({part.text, part.trusted});
  return checkpoint.prompt(spans);
}

std::vector<TokenId> Checkpoint::chat(std::string_view messages, std::string_view tools) const {
  return chat_prompt(*this, chat_format(*this), messages, {.tools = std::string(tools)});
}

}  // namespace troupe
