#include "runtime/text/template/chat_template.hpp"

#include <algorithm>

#include "runtime/text/template/json.hpp"
#include "runtime/text/template/renderer.hpp"

namespace troupe {
namespace {

using namespace jinja;

// What every conversation may use, and what each byte of its JSON adds.
constexpr std::uint64_t least_steps = 400'000, least_bytes = std::uint64_t{16} << 20;
constexpr std::uint64_t steps_of_a_byte = 2, made_of_a_byte = 32;

Budget budget_for(const Conversation& conversation) {
  const std::uint64_t given = conversation.messages.size() + conversation.tools.size();
  return {least_steps + given * steps_of_a_byte, least_bytes + given * made_of_a_byte};
}

/// With as much of its message as one can read: parts of it may come from a template or a conversation.
Error shortened(const Error& error) {
  constexpr std::size_t longest = 1000;
  std::string message = error.message();
  if (message.size() <= longest) return error;
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0U) == 0x80U) --end;  // not within a character
  return {error.code(), message.substr(0, end) + "…"};
}

Error in(const std::string& what, const Error& error) { return {error.code(), what + error.message()}; }

Result<Value> read_messages(std::string_view json) {
  auto messages = parse_json(json);
  if (!messages) return in("messages: ", messages.error());
  const List* list = as<List>(*messages);
  if (list == nullptr) return Error(Code::invalid_argument, "messages: must be a list of messages in JSON");
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const Dict* message = as<Dict>(list->items[i]);
    const Value* role = message == nullptr ? nullptr : message->find("role");
    if (role == nullptr || as<Text>(*role) == nullptr) {
      return Error(Code::invalid_argument,
                   "messages: message " + std::to_string(i + 1) + " must be an object with a \"role\" that is a text");
    }
  }
  return messages;
}

Result<Value> read_tools(std::string_view json) {
  if (json.empty()) return Value(None());
  auto tools = parse_json(json);
  if (!tools) return in("tools: ", tools.error());
  if (as<List>(*tools) == nullptr) return Error(Code::invalid_argument, "tools: must be a list of tools in JSON");
  return tools;
}

std::vector<TextPart> parts_of(const Text& text) {
  std::vector<TextPart> parts;
  std::size_t at = 0;
  const auto add = [&](std::size_t end, bool trusted) {
    if (end > at) parts.push_back({std::string(text.view().substr(at, end - at)), trusted});
    at = end;
  };
  for (const auto& [begin, end] : text.foreign()) {
    add(begin, true);
    add(end, false);
  }
  add(text.size(), true);
  return parts;
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string_view text) {
  auto parsed = jinja::parse(text);
  if (!parsed) return shortened(parsed.error());
  return ChatTemplate(std::make_shared<const Template>(std::move(*parsed)));
}

Result<std::vector<TextPart>> ChatTemplate::render(const Conversation& conversation) const {
  auto messages = read_messages(conversation.messages);
  if (!messages) return messages.error();
  auto tools = read_tools(conversation.tools);
  if (!tools) return tools.error();
  Renderer renderer(*parsed_, World{budget_for(conversation), conversation.now});
  renderer.define("messages", std::move(*messages));
  renderer.define("tools", std::move(*tools));
  renderer.define("documents", None());
  renderer.define("add_generation_prompt", conversation.generation_prompt);
  renderer.define("bos_token", text_value(std::string(conversation.bos_token), Author::model_maker));
  renderer.define("eos_token", text_value(std::string(conversation.eos_token), Author::model_maker));
  const auto text = renderer.render();
  if (!text) return shortened(text.error());
  return parts_of(*text);
}

std::string joined(const std::vector<TextPart>& parts) {
  std::string text;
  for (const TextPart& part : parts) text += part.text;
  return text;
}

}  // namespace troupe
