#pragma once

// The whole public API: what a host application includes.
#include "troupe/actor.hpp"
#include "troupe/chat.hpp"
#include "troupe/checkpoint.hpp"
#include "troupe/error.hpp"
#include "troupe/generate.hpp"
#include "troupe/generation.hpp"
#include "troupe/graph.hpp"
#include "troupe/model.hpp"
#include "troupe/runtime.hpp"
#include "troupe/token.hpp"
#include "troupe/trace.hpp"
