#pragma once

#include <array>

#include "runtime/model/known_keys.hpp"

namespace troupe::plugins {

/// The keys behind "tokenizer." that mean the same in every kind of tokenizer here.
inline constexpr auto tokenizer_keys = std::to_array<KnownKey>({
    used("ggml.model"),
    used("ggml.tokens"),
    used("ggml.token_type"),
    used("ggml.bos_token_id"),
    used("ggml.eos_token_id"),
    used("ggml.eot_token_id"),
    used("ggml.eom_token_id"),
    used("ggml.fim_pad_token_id"),
    used("ggml.fim_rep_token_id"),
    used("ggml.fim_sep_token_id"),
    used("ggml.unknown_token_id"),
    used("ggml.add_bos_token"),

    harmless("chat_template", "applied by the host"),
    harmless("chat_template.*", "applied by the host"),
    harmless("chat_templates", "their names"),
    harmless("huggingface.json", "says the same in another form"),
    harmless("ggml.padding_token_id", "nothing is padded"),
    harmless("ggml.mask_token_id", "nothing is masked"),
    harmless("ggml.cls_token_id", "of classifiers"),
    harmless("ggml.seperator_token_id", "add_sep_token says whether it is used"),
    harmless("ggml.separator_token_id", "add_sep_token says whether it is used"),
    harmless("ggml.prefix_token_id", "written by who fills in text"),
    harmless("ggml.suffix_token_id", "written by who fills in text"),
    harmless("ggml.middle_token_id", "written by who fills in text"),
    harmless("ggml.fim_pre_token_id", "written by who fills in text"),
    harmless("ggml.fim_suf_token_id", "written by who fills in text"),
    harmless("ggml.fim_mid_token_id", "written by who fills in text"),
    harmless("ggml.fsep_token_id", "written by who fills in text"),

    neutral("ggml.add_eos_token", "false"),
    neutral("ggml.add_sep_token", "false"),
    neutral("ggml.remove_extra_whitespaces", "false"),
    neutral("ggml.normalizer.lowercase", "false"),
    neutral("ggml.normalizer.strip_accents", "false"),
    neutral("ggml.precompiled_charsmap", ""),
    neutral("ggml.suppress_tokens", ""),
    neutral("ggml.token_type_count", "0|1"),
});

}  // namespace troupe::plugins
