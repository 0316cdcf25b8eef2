#pragma once

#include "troupe/runtime.hpp"

// What the handles are: the C++ objects, each of which keeps alive what it stands on.

struct troupe_runtime {
  troupe::Runtime runtime;
};

struct troupe_checkpoint {
  troupe::Checkpoint checkpoint;
};

struct troupe_model {
  troupe::Model model;
};
