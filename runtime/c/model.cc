#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/options.hpp"

using namespace troupe;
using namespace troupe::c;

troupe_status troupe_model_load(const troupe_runtime* runtime, const char* path, const troupe_load_options* options,
                                troupe_model** model, troupe_error* error) {
  return guarded(error, [&] {
    auto& out = emptied(model, "model");
    const Runtime& house = needed(runtime, "runtime").runtime;
    out = new troupe_model{house.load(&needed(path, "path"), load_options(options))};
  });
}

troupe_status troupe_model_load_checkpoint(const troupe_runtime* runtime, const troupe_checkpoint* checkpoint,
                                           const char* graph, const troupe_load_options* options, troupe_model** model,
                                           troupe_error* error) {
  return guarded(error, [&] {
    auto& out = emptied(model, "model");
    const Runtime& house = needed(runtime, "runtime").runtime;
    const Checkpoint& opened = needed(checkpoint, "checkpoint").checkpoint;
    const LoadOptions wanted = load_options(options);
    out = new troupe_model{graph == nullptr ? house.load(opened, wanted)
                                            : house.load(opened, parse_graph(graph), wanted)};
  });
}

void troupe_model_free(troupe_model* model) { delete model; }

troupe_status troupe_model_checkpoint(const troupe_model* model, troupe_checkpoint** checkpoint, troupe_error* error) {
  return guarded(error, [&] {
    auto& out = emptied(checkpoint, "checkpoint");
    out = new troupe_checkpoint{needed(model, "model").model.checkpoint()};
  });
}

troupe_status troupe_model_logits(const troupe_model* model, const int32_t* ids, size_t count, int32_t every_position,
                                  const troupe_logits_options* options, troupe_logits_sink sink, void* user,
                                  troupe_error* error) {
  return guarded(error, [&] {
    const Model& asked = needed(model, "model").model;
    const auto prompt = ids_of(ids, count, "ids");
    const auto to_host = [&sink = needed(sink, "sink"), user](std::uint32_t position, std::span<const float> logits) {
      ask("the host's logits sink",
          [&](troupe_error* said) { return sink(user, position, logits.data(), logits.size(), said); });
    };
    asked.logits({prompt.begin(), prompt.end()}, every_position != 0, to_host, logits_options(options));
  });
}
