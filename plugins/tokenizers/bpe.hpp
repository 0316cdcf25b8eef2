#pragma once

#include "runtime/text/tokenizer.hpp"

namespace troupe::plugins {

/// Byte-level byte-pair encoding, "tokenizer.ggml.model" gpt2 (Sennrich et al. 2016, Radford et al. 2019). The text is
/// cut into words by the pre-tokenizer that "tokenizer.ggml.pre" names, and each word's bytes are merged by the file's
/// list of merges. Code::unsupported where the pre-tokenizer is not known here.
extern const TokenizerFormat bpe;

}  // namespace troupe::plugins
