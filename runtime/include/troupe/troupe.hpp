#pragma once

// The whole public API: what a host application includes.
#include "troupe/actor.hpp"
#include "troupe/error.hpp"
#include "troupe/graph.hpp"
#include "troupe/runtime.hpp"
