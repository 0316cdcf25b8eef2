#include <algorithm>

#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/options.hpp"
#include "runtime/c/results.hpp"
#include "runtime/c/sized.hpp"

namespace troupe::c {
namespace {

/// The checkpoint of a handle.
const Checkpoint& of(const troupe_checkpoint* handle) { return needed(handle, "checkpoint").checkpoint; }

using Split = std::vector<TokenId> (Checkpoint::*)(std::string_view, bool) const;
using SplitSpans = std::vector<TokenId> (Checkpoint::*)(std::span<const TextSpan>) const;

troupe_status split(const troupe_checkpoint* checkpoint, Split how, const char* text, std::size_t length,
                    std::int32_t parse_special, std::int32_t** ids, std::size_t* count, troupe_error* error) {
  return ids_from([&] { return (of(checkpoint).*how)(text_of(text, length, "text"), parse_special != 0); }, ids, count,
                  error);
}

std::vector<TextSpan> spans_of(const troupe_text_span* spans, std::size_t count) {
  std::vector<TextSpan> parts;
  for (const troupe_text_span& span : array_of(spans, count, "spans")) {
    if (span.reserved != 0) throw unknown_field("troupe_text_span");
    parts.push_back({text_of(span.text, span.length, "spans"), span.trusted != 0});
  }
  return parts;
}

troupe_status split(const troupe_checkpoint* checkpoint, SplitSpans how, const troupe_text_span* spans,
                    std::size_t span_count, std::int32_t** ids, std::size_t* count, troupe_error* error) {
  return ids_from([&] { return (of(checkpoint).*how)(spans_of(spans, span_count)); }, ids, count, error);
}

template <class Number>
Number number_of(const troupe_checkpoint* checkpoint, Number (Checkpoint::*number)() const) {
  return checkpoint == nullptr ? Number{} : (checkpoint->checkpoint.*number)();
}

}  // namespace
}  // namespace troupe::c

using namespace troupe;
using namespace troupe::c;

troupe_status troupe_checkpoint_open(const troupe_runtime* runtime, const char* path,
                                     const troupe_load_options* options, troupe_checkpoint** checkpoint,
                                     troupe_error* error) {
  return guarded(error, [&] {
    auto& out = emptied(checkpoint, "checkpoint");
    const Runtime& house = needed(runtime, "runtime").runtime;
    out = new troupe_checkpoint{house.open(&needed(path, "path"), load_options(options))};
  });
}

void troupe_checkpoint_free(troupe_checkpoint* checkpoint) { delete checkpoint; }

int32_t troupe_checkpoint_has_model(const troupe_checkpoint* checkpoint) {
  return number_of(checkpoint, &Checkpoint::has_model) ? 1 : 0;
}

uint32_t troupe_checkpoint_layers(const troupe_checkpoint* checkpoint) {
  return number_of(checkpoint, &Checkpoint::layers);
}

uint32_t troupe_checkpoint_context(const troupe_checkpoint* checkpoint) {
  return number_of(checkpoint, &Checkpoint::context);
}

uint32_t troupe_checkpoint_vocabulary(const troupe_checkpoint* checkpoint) {
  return number_of(checkpoint, &Checkpoint::vocabulary);
}

troupe_status troupe_checkpoint_metadata(const troupe_checkpoint* checkpoint, troupe_metadata_visitor visit, void* user,
                                         troupe_error* error) {
  return guarded(error, [&] {
    auto& visitor = needed(visit, "visit");
    for (const auto& [key, value] : of(checkpoint).metadata()) visitor(user, key.c_str(), value.c_str(), value.size());
  });
}

troupe_status troupe_checkpoint_tensors(const troupe_checkpoint* checkpoint, troupe_tensor_visitor visit, void* user,
                                        troupe_error* error) {
  return guarded(error, [&] {
    auto& visitor = needed(visit, "visit");
    for (const TensorInfo& tensor : of(checkpoint).tensors()) {
      const troupe_tensor_info info{.size = sizeof info,
                                    .name = tensor.name.c_str(),
                                    .format = tensor.format.c_str(),
                                    .rows = tensor.rows,
                                    .columns = tensor.columns,
                                    .bytes = tensor.bytes};
      visitor(user, &info);
    }
  });
}

troupe_status troupe_checkpoint_tokenize(const troupe_checkpoint* checkpoint, const char* text, size_t length,
                                         int32_t parse_special, int32_t** ids, size_t* count, troupe_error* error) {
  return split(checkpoint, &Checkpoint::tokenize, text, length, parse_special, ids, count, error);
}

troupe_status troupe_checkpoint_prompt(const troupe_checkpoint* checkpoint, const char* text, size_t length,
                                       int32_t parse_special, int32_t** ids, size_t* count, troupe_error* error) {
  return split(checkpoint, &Checkpoint::prompt, text, length, parse_special, ids, count, error);
}

troupe_status troupe_checkpoint_tokenize_spans(const troupe_checkpoint* checkpoint, const troupe_text_span* spans,
                                               size_t span_count, int32_t** ids, size_t* count, troupe_error* error) {
  return split(checkpoint, &Checkpoint::tokenize, spans, span_count, ids, count, error);
}

troupe_status troupe_checkpoint_prompt_spans(const troupe_checkpoint* checkpoint, const troupe_text_span* spans,
                                             size_t span_count, int32_t** ids, size_t* count, troupe_error* error) {
  return split(checkpoint, &Checkpoint::prompt, spans, span_count, ids, count, error);
}

troupe_status troupe_checkpoint_detokenize(const troupe_checkpoint* checkpoint, const int32_t* ids, size_t count,
                                           char** text, size_t* length, troupe_error* error) {
  return guarded(error, [&] {
    auto& out = emptied(text, "text");
    if (length != nullptr) *length = 0;
    hand_out(of(checkpoint).detokenize(ids_of(ids, count, "ids")), out, length);
  });
}
