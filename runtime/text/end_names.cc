#include "runtime/text/end_names.hpp"

#include <algorithm>

namespace troupe {
namespace {

/// What ends a text or a turn in the models that have it, in order; and what comes behind the file that a model of code
/// writes: padding, another repository, another file.
constexpr std::string_view end_names[] = {"</s>",
                                          "<EOT>",
                                          "<PAD>",
                                          "<REPO>",
                                          "<end_of_turn>",
                                          "<end_of_utterance>",
                                          "<eos>",
                                          "<fim-pad>",
                                          "<fim-repo>",
                                          "<fim_pad>",
                                          "<reponame>",
                                          "<turn|>",
                                          "<|END_OF_TURN_TOKEN|>",
                                          "<|calls|>",
                                          "<|call|>",
                                          "<|end_of_text|>",
                                          "<|endoftext|>",
                                          "<|end|>",
                                          "<|eom_id|>",
                                          "<|eos|>",
                                          "<|eot_id|>",
                                          "<|file_sep|>",
                                          "<|fim_pad|>",
                                          "<|fim_repo|>",
                                          "<|flush|>",
                                          "<|im_end|>",
                                          "<|repo_name|>",
                                          "<|return|>",
                                          "<|tool_response>",
                                          "<｜end▁of▁sentence｜>",
                                          "[EOS]",
                                          "[EOT]",
                                          "[PAD]",
                                          "[e~[",
                                          "_<EOT>",
                                          "▁<EOT>"};
static_assert(std::is_sorted(std::begin(end_names), std::end(end_names)));

/// Where answers and calls of tools have ends of their own, this one only parts the messages of one answer.
bool parts_messages(const Vocabulary& vocabulary, std::string_view name) {
  const auto has = [&](std::string_view other) { return vocabulary.find(other) >= 0; };
  return name == "<|end|>" && ((has("<|return|>") && has("<|call|>")) || (has("<|calls|>") && has("<|flush|>")));
}

/// Gemma's vocabulary has the tags of HTML as tokens: among them this is the end of text that is struck out.
bool is_html(const Vocabulary& vocabulary, TokenId id) {
  return vocabulary.text(id) == "</s>" && !vocabulary.is_control(id) && vocabulary.find("</b>") >= 0;
}

}  // namespace

std::vector<TokenId> tokens_named_as_ends(const Vocabulary& vocabulary) {
  std::vector<TokenId> ends;
  for (TokenId id = 0; id < static_cast<TokenId>(vocabulary.size()); ++id) {
    const std::string_view name = vocabulary.text(id);
    if (!std::binary_search(std::begin(end_names), std::end(end_names), name)) continue;
    if (!parts_messages(vocabulary, name) && !is_html(vocabulary, id)) ends.push_back(id);
  }
  return ends;
}

}  // namespace troupe
