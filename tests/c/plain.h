#ifndef TROUPE_TESTS_C_PLAIN_H
#define TROUPE_TESTS_C_PLAIN_H

#include "runtime/c/troupe.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Loads a model, counts the tokens of a stream, and sums up the positions (from 1) of its logits.
troupe_status plain_host(const char* path, int* tokens, uint32_t* positions, troupe_error* error);

#ifdef __cplusplus
}
#endif

#endif
