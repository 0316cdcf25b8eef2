#include "plugins/tokenizers/pre_tokenizers.hpp"

#include <algorithm>
#include <iterator>

namespace troupe::plugins {
namespace {

using List = std::string_view[];
using enum PreTokenizer::Units;
using Whole = PreTokenizer::Whole;
using Bos = PreTokenizer::Bos;

// Pieces of which several patterns are made.
#define CONTRACTION R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define SPACES R"(\s+(?!\S)|\s+)"
#define BEHIND_LETTERS R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)" SPACES
#define BEHIND_LETTERS_AND_SLASHES R"( ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|)" SPACES
#define GPT2 R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|)" SPACES
#define QWEN2 CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)" BEHIND_LETTERS

// Words of any case, and of one case behind another.
#define UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define CASED(ending) \
  R"([^\r\n\p{L}\p{N}]?)" UPPER "*" LOWER "+" ending R"(|[^\r\n\p{L}\p{N}]?)" UPPER "+" LOWER "*" ending "|"
#define GPT4O CASED(CONTRACTION "?") R"(\p{N}{1,3}|)" BEHIND_LETTERS_AND_SLASHES

#define DEEPSEEK3_LETTERS \
  R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+)"
#define BLOOM R"( ?[^(\s|.,!?…。，、।۔،)]+)"

// Groups of three digits, counted from the end of the digits: what is left over stands first. `digit` is their class,
// `end` what must follow them. Only the first group looks for the end.
#define TRIPLES(digit, end) "(?<!" digit ")" digit "{1,3}(?=(?:" digit "{3})*+" end R"()|\G(?<=)" digit ")" digit "{3}"

constexpr List default_list = {R"([\p{P}\$\+<=>\^~\|]+)", GPT2, R"(\p{N}+)", "[0-9][0-9][0-9]"};
constexpr List gpt2 = {GPT2};
constexpr List single_digits = {R"(\p{N})", GPT2};
constexpr List falcon = {R"([\p{P}\$\+<=>\^~\|`]+)", GPT2, "[0-9][0-9][0-9]"};
constexpr List llama3 = {CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)" BEHIND_LETTERS};
constexpr List qwen2 = {QWEN2};
constexpr List qwen35 = {CONTRACTION
                         R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|)" SPACES};
constexpr List gpt4o = {GPT4O};
constexpr List tekken = {CASED("") R"(\p{N}|)" BEHIND_LETTERS_AND_SLASHES};

// Where a run of spaces goes on, there is no line's end in it, or the word before would have taken it.
constexpr List jais2 = {CONTRACTION
                        R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|(?<![^\S\r\n])\s*[\r\n]+|)"
                        R"(\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|)"
                        R"(\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"};

// The letters are those that have a case; escaped are those that editors might write as others.
constexpr List deepseek_llm = {
    R"([\r\n])",
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1F7D}ᾀ-ᾴᾶ-ᾼ\x{1FBE}ῂ-ῄῆ-ῌῐ-\x{1FD3}ῖ-\x{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)",
    R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)",
    R"((?<!\s)\s++$)",
    R"([一-龥ࠀ-一가-퟿]+)",
    R"(\p{N}+)"};
constexpr List deepseek_coder = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", R"([一-龥ࠀ-一가-퟿]+)",
                                 R"(\p{N})"};
constexpr List deepseek3 = {R"(\p{N}{1,3})", R"([一-龥぀-ゟ゠-ヿ]+)",
                            DEEPSEEK3_LETTERS R"([\r\n]*|\s*[\r\n]+|)" SPACES};
constexpr List spark2_5 = {R"(\p{N}{1,3})", R"([一-龥぀-ゟ゠-ヿ]+)", DEEPSEEK3_LETTERS R"(|[\r\n]|)" SPACES,
                           R"(\p{N})"};
constexpr List youtu = {
    R"([가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+)",
    CASED(CONTRACTION "?") R"(\p{N}|)" BEHIND_LETTERS_AND_SLASHES};
constexpr List bloom = {BLOOM};
constexpr List viking = {BLOOM, R"(\p{N})"};
constexpr List chameleon = {"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z",       R"([\t\n]|    |  )",
                            R"(\p{N})",          R"([\p{P}!-/:-@\[-`{-~])", GPT2};

// A digit is what \b, at their end, looks at as Oniguruma does: in front of a letter, a mark, a digit or a connector
// the digits are left whole, for the second pattern.
constexpr List tiny_aya = {TRIPLES(R"(\p{Nd})", R"((?![\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]))"), GPT4O};
constexpr List superbpe = {
    R"(\p{N}+)",
    // The places before which a multiple of three digits is left: the first of them in some digits, then every third.
    R"((?<!\p{Nd})\p{Nd}{0,2}\K(?=(?:\p{Nd}{3})++(?!\p{Nd}))|\G\p{Nd}{3}\K(?=\p{Nd}))"};

// Classes without Han: what is in none of the other categories, and not Han.
#define UPPER_NOT_HAN R"([^\p{Ll}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{sc:Han}])"
#define LOWER_NOT_HAN R"([^\p{Lu}\p{Lt}\p{N}\p{P}\p{S}\p{Z}\p{C}\p{sc:Han}])"
constexpr List kimi_k2 = {R"(\p{sc:Han}+|[^\r\n\p{L}\p{N}]?)" UPPER_NOT_HAN "*" LOWER_NOT_HAN "+" CONTRACTION
                          R"(?|[^\r\n\p{L}\p{N}]?)" UPPER_NOT_HAN "+" LOWER_NOT_HAN "*" CONTRACTION
                          R"(?|\p{N}{1,3}|)" BEHIND_LETTERS};

constexpr List bailingmoe = {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|)"
                             R"(\s*[\r\n]|)" SPACES};
constexpr List seed_coder = {CONTRACTION
                             R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|)" SPACES};
constexpr List ufakzeka = {R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)" BEHIND_LETTERS};
constexpr List afmoe = {
    TRIPLES(R"(\p{N})", R"((?!\p{N}))"),
    "[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+",
    DEEPSEEK3_LETTERS R"([\r\n]*|\s*[\r\n]+|)" SPACES};
constexpr List laguna = {R"([^\n]+|\n+)", QWEN2};
constexpr List exaone_moe = {CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}(?:[\p{L}\p{M}]++| \p{L})*+|\p{N}|)"
                                         R"( ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|)" SPACES};
constexpr List lines = {R"([^\n]+|\n+)"};
constexpr List minicpm5 = {R"(\p{N}{1,3})", CONTRACTION R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+|)" BEHIND_LETTERS};
constexpr List whitespace = {R"(\S+)"};

constexpr PreTokenizer known[] = {
    {"default", default_list},
    {"gpt-2", gpt2},
    {"a.x-4.0", gpt2},
    {"exaone4", gpt2},
    {"gigachat", gpt2},
    {"granite-docling", gpt2},
    {"jais", gpt2},
    {"jina-de", gpt2},
    {"jina-es", gpt2},
    {"jina-v1-en", gpt2},
    {"jina-v2-code", gpt2},
    {"jina-v2-de", gpt2},
    {"jina-v2-es", gpt2},
    {"mellum", gpt2},
    {"modern-bert", gpt2},
    {"mpt", gpt2},
    {"olmo", gpt2},
    {"phi-2", gpt2},
    {"roberta-bpe", gpt2},
    {"trillion", gpt2},
    {"smollm", single_digits},
    {"codeshell", single_digits},
    {"command-r", single_digits},
    {"exaone", single_digits},
    {"mellum2", single_digits},
    {"minerva-7b", single_digits},
    {"refact", single_digits},
    {"starcoder", single_digits},
    {"llama-bpe", llama3, Whole::all, Bos::usual},
    {"llama3", llama3, Whole::all, Bos::usual},
    {"llama-v3", llama3, Whole::all, Bos::usual},
    {"falcon3", llama3, Whole::all, Bos::usual},
    {"falcon-h1", llama3, Whole::all, Bos::usual},
    {"jina-v5-nano", llama3, Whole::all, Bos::usual},
    {"lfm2", llama3, Whole::all, Bos::usual},
    {"midm-2.0", llama3, Whole::all, Bos::usual},
    {"pixtral", llama3, Whole::all, Bos::usual},
    {"dbrx", llama3},
    {"smaug-bpe", llama3},
    {"chatglm-bpe", llama3},
    {"glm4", llama3, Whole::all},
    {"glm5", llama3, Whole::all},
    {"qwen2", qwen2},
    {"deepseek-r1-qwen", qwen2},
    {"f2llmv2", qwen2},
    {"grok-2", qwen2},
    {"hunyuan", qwen2},
    {"kormo", qwen2},
    {"megrez", qwen2},
    {"solar-open", qwen2},
    {"stablelm2", qwen2},
    {"qwen35", qwen35},
    {"gpt-4o", gpt4o},
    {"kanana2", gpt4o},
    {"llama4", gpt4o},
    {"minimax-m2", gpt4o},
    {"talkie", gpt4o},
    {"granite-embed-multi-97m", gpt4o, Whole::all},
    {"tekken", tekken, Whole::all, Bos::usual},
    {"deepseek-llm", deepseek_llm},
    {"deepseek-coder", deepseek_coder},
    {"deepseek-v3", deepseek3},
    {"hunyuan-dense", deepseek3},
    {"hy_v4", deepseek3},
    {"joyai-llm", deepseek3},
    {"spark2_5", spark2_5},
    {"youtu", youtu, Whole::all},
    {"falcon", falcon},
    {"bloom", bloom},
    {"gpt3-finnish", bloom},
    {"poro-chat", bloom},
    {"viking", viking},
    {"chameleon", chameleon, Whole::none, Bos::usual},
    {"tiny_aya", tiny_aya},
    {"cohere2moe", tiny_aya},
    {"superbpe", superbpe},
    {"kimi-k2", kimi_k2},
    {"bailingmoe", bailingmoe},
    {"bailingmoe2", bailingmoe},
    {"llada-moe", bailingmoe},
    {"seed-coder", seed_coder},
    {"ufakzeka", ufakzeka},
    {"afmoe", afmoe},
    {"laguna", laguna},
    {"exaone-moe", exaone_moe},
    {"jais-2", jais2},
    {"minicpm5", minicpm5, Whole::all},
    {"gemma4", lines, Whole::newlines, Bos::always, characters, true},
    {"granite-embed-multi-311m", lines, Whole::newlines, Bos::always, characters, true},
    {"sarvam-moe", lines, Whole::none, Bos::told, characters, true},
    {"whitespace", whitespace, Whole::none, Bos::told, characters},
};

}  // namespace

std::span<const PreTokenizer> pre_tokenizers() { return known; }
std::string_view gpt2_pattern() { return gpt2[0]; }
Patterns single_digit_patterns() { return single_digits; }

}  // namespace troupe::plugins
