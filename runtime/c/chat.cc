#include "troupe/chat.hpp"

#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/results.hpp"
#include "runtime/c/sized.hpp"

namespace troupe::c {
namespace {

troupe_chat_options chat_defaults() {
  troupe_chat_options made{};
  made.generation_prompt = 1;
  return made;
}

/// What a conversation is written with.
struct Chat {
  const Checkpoint& checkpoint;
  ChatFormat format;
  ChatOptions options;
};

Chat chat_of(const troupe_checkpoint* handle, const troupe_chat_options* given) {
  const troupe_chat_options from = read(given, chat_defaults(), "troupe_chat_options");
  if (from.reserved != 0) throw unknown_field("troupe_chat_options");
  const Checkpoint& checkpoint = needed(handle, "checkpoint").checkpoint;
  Chat chat{checkpoint, chat_format(checkpoint), {}};
  if (from.chat_template != nullptr) chat.format.chat_template = from.chat_template;
  chat.options.tools = or_empty(from.tools);
  chat.options.date = or_empty(from.date);
  chat.options.generation_prompt = from.generation_prompt != 0;
  return chat;
}

}  // namespace
}  // namespace troupe::c

using namespace troupe;
using namespace troupe::c;

void troupe_chat_options_default(troupe_chat_options* options, size_t size) { write(options, size, chat_defaults()); }

troupe_status troupe_checkpoint_chat(const troupe_checkpoint* checkpoint, const char* messages, size_t length,
                                     const troupe_chat_options* options, int32_t** ids, size_t* count,
                                     troupe_error* error) {
  const auto prompt = [&] {
    const Chat chat = chat_of(checkpoint, options);
    return chat_prompt(chat.checkpoint, chat.format, text_of(messages, length, "messages"), chat.options);
  };
  return ids_from(prompt, ids, count, error);
}

troupe_status troupe_checkpoint_render(const troupe_checkpoint* checkpoint, const char* messages, size_t length,
                                       const troupe_chat_options* options, char** text, size_t* text_length,
                                       troupe_error* error) {
  return guarded(error, [&] {
    auto& out = emptied(text, "text");
    if (text_length != nullptr) *text_length = 0;
    const Chat chat = chat_of(checkpoint, options);
    hand_out(render_chat(chat.format, text_of(messages, length, "messages"), chat.options), out, text_length);
  });
}

troupe_status troupe_checkpoint_chat_warning(const troupe_checkpoint* checkpoint, char** text, size_t* text_length,
                                             troupe_error* error) {
  return guarded(error, [&] {
    auto& out = emptied(text, "text");
    if (text_length != nullptr) *text_length = 0;
    hand_out(chat_format(needed(checkpoint, "checkpoint").checkpoint).warning, out, text_length);
  });
}
