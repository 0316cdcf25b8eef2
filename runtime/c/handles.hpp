#pragma once

#include <optional>
#include <stop_token>
#include <variant>
#include <vector>

#include "runtime/c/troupe.h"
#include "troupe/runtime.hpp"

// What the handles are: the C++ objects, each of which keeps alive what it stands on.

struct troupe_cancellation {
  std::stop_source source;
};

struct troupe_runtime {
  troupe::Runtime runtime;
};

struct troupe_checkpoint {
  troupe::Checkpoint checkpoint;
};

struct troupe_model {
  troupe::Model model;
};
