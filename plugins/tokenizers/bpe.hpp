#pragma once

#include "runtime/text/tokenizer.hpp"

namespace troupe::plugins {

/// Byte-pair encoding, "tokenizer.ggml.model" gpt2 (Sennrich et al. 2016, Radford et al. 2019). The text is cut into
/// words by the pre-tokenizer that "tokenizer.ggml.pre" names, and each word's bytes are merged by the file's list of
/// merges. Code::unsupported where the pre-tokenizer is not known here; a file that names none is read as `default`,
/// with a warning.
extern const TokenizerFormat bpe;

/// The same as Gemma 4 has it, "tokenizer.ggml.model" gemma4: of characters instead of bytes, spaces written as U+2581.
extern const TokenizerFormat gemma4_bpe;

}  // namespace troupe::plugins
