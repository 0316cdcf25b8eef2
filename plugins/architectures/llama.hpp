#pragma once

#include "runtime/program/builder.hpp"

namespace troupe::plugins {

/// Llama and its kin: pre-norm, rotary embedding of adjacent pairs, grouped queries, SwiGLU (Touvron et al. 2023).
extern const Architecture llama;

}  // namespace troupe::plugins
