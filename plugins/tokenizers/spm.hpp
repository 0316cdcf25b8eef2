#pragma once

#include "runtime/text/tokenizer.hpp"

namespace troupe::plugins {

/// SentencePiece's byte-pair encoding, "tokenizer.ggml.model" llama (Kudo and Richardson 2018): spaces are written as
/// U+2581, neighbours merge where the vocabulary has both as one, the highest score first, and characters that it lacks
/// become bytes.
extern const TokenizerFormat spm;

}  // namespace troupe::plugins
