#pragma once

// Stands before the compiler's header of the same name: AVX-512 by SIMDe, and by what SIMDe 0.7.4 lacks.
#include_next <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include "tests/kernels/emulation/avx512/lacking.hpp"
