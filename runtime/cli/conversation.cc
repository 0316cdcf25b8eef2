#include "runtime/cli/conversation.hpp"

#include <algorithm>

#include "runtime/cli/json.hpp"
#include "runtime/cli/output.hpp"
#include "troupe/error.hpp"

namespace troupe::cli {
namespace {

Error no_message(std::size_t place) {
  return {Code::bad_file, "message " + std::to_string(place) +
                              R"( is none; wanted is an object like {"role": "user", "content": "Hello"})"};
}

std::string role_of(const boost::json::value& message, std::size_t place) {
  const auto* object = message.if_object();
  const auto* role = object == nullptr ? nullptr : object->if_contains("role");
  if (role == nullptr || !role->is_string()) throw no_message(place);
  return std::string(role->get_string());
}

}  // namespace

Conversation Conversation::parse(std::string_view json) {
  const boost::json::value list = parse_json(json);
  if (!list.is_array()) throw Error(Code::bad_file, "the JSON is no list of messages");
  Conversation conversation;
  for (const auto& message : list.get_array()) {
    conversation.messages_.push_back(
        {role_of(message, conversation.messages_.size() + 1), boost::json::serialize(message)});
  }
  return conversation;
}

void Conversation::add(std::string_view role, std::string_view content) {
  messages_.push_back(
      {std::string(role), "{\"role\":" + json_string(role) + ",\"content\":" + json_string(content) + "}"});
}

void Conversation::set_system(std::string_view content) {
  if (!messages_.empty() && messages_.front().role == "system") messages_.erase(messages_.begin());
  if (content.empty()) return;
  add("system", content);
  std::rotate(messages_.begin(), messages_.end() - 1, messages_.end());
}

bool Conversation::awaits_answer() const { return !messages_.empty() && messages_.back().role == "user"; }

bool Conversation::drop_answer() {
  while (!messages_.empty() && !awaits_answer() && messages_.back().role != "system") messages_.pop_back();
  return awaits_answer();
}

bool Conversation::drop_turn() {
  const bool any = drop_answer();
  if (any) messages_.pop_back();
  return any;
}

std::string Conversation::json() const {
  std::string text = "[";
  for (const Message& message : messages_) text += (text.size() > 1 ? ",\n" : "\n") + message.json;
  return text + "\n]\n";
}

}  // namespace troupe::cli
