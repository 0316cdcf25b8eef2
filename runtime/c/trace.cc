#include "troupe/trace.hpp"
#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/results.hpp"

using namespace troupe;
using namespace troupe::c;

troupe_status troupe_model_write_trace(const troupe_model* model, const char* path, troupe_error* error) {
  return guarded(error, [&] { needed(model, "model").model.write_trace(&needed(path, "path")); });
}

troupe_status troupe_trace_summary(const char* path, char** summary, troupe_error* error) {
  return guarded(error, [&] {
    auto& text = emptied(summary, "summary");
    text = handed_out(trace_summary(&needed(path, "path")));
  });
}
