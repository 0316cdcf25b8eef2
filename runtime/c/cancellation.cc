#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"

using namespace troupe::c;

troupe_status troupe_cancellation_new(troupe_cancellation** cancellation, troupe_error* error) {
  return guarded(error, [&] {
    auto& out = emptied(cancellation, "cancellation");
    out = new troupe_cancellation;
  });
}

void troupe_cancellation_cancel(troupe_cancellation* cancellation) {
  if (cancellation != nullptr) cancellation->source.request_stop();
}

void troupe_cancellation_free(troupe_cancellation* cancellation) { delete cancellation; }
