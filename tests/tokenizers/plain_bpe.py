"""Byte-pair encoding by the book, with the patterns of the models' own tokenizers as they publish them.

Slow and plain: what the product's is held against. Needs the module `regex` from PyPI.
"""

import regex

SPACES = r"\s+(?!\S)|\s+"
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|" + SPACES
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|" + SPACES
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
QWEN2 = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + TAIL
BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"
KANA = r"[一-龥぀-ゟ゠-ヿ]+"
DEEPSEEK3 = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"""


def cased(upper, lower, ending):
    first = r"[^\r\n\p{L}\p{N}]?"
    return f"{first}{upper}*{lower}+{ending}|{first}{upper}+{lower}*{ending}|"


O200K = cased(UPPER, LOWER, CONTRACTION + "?") + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|" + SPACES
NOT_HAN = [f"(?:(?!\\p{{Script=Han}}){letters})" for letters in (UPPER, LOWER)]

# The letters that have a case, as DeepSeek LLM's own file lists them.
CASED_LETTERS = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼ"
    "ℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ"
    "𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
)

DEFAULT = [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]
LLAMA3 = [CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + TAIL]
DIGITS = [r"\p{N}", GPT2]
LINES = [r"[^\n]+|[\n]+"]

LISTS = {
    "default": (DEFAULT, "default"),
    "gpt-2": (
        [GPT2],
        "gpt-2 a.x-4.0 exaone4 gigachat granite-docling jais jina-de jina-es jina-v1-en jina-v2-code jina-v2-de "
        "jina-v2-es mellum modern-bert mpt olmo phi-2 roberta-bpe trillion",
    ),
    "starcoder": (DIGITS, "starcoder smollm codeshell command-r exaone mellum2 minerva-7b refact"),
    "falcon": ([r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"], "falcon"),
    "llama3": (
        LLAMA3,
        "llama3 llama-bpe llama-v3 falcon3 falcon-h1 jina-v5-nano lfm2 midm-2.0 pixtral dbrx smaug-bpe chatglm-bpe glm4 "
        "glm5",
    ),
    "qwen2": ([QWEN2], "qwen2 deepseek-r1-qwen f2llmv2 grok-2 hunyuan kormo megrez solar-open stablelm2"),
    "qwen35": (
        [
            CONTRACTION
            + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|"
            + SPACES
        ],
        "qwen35",
    ),
    "gpt-4o": ([O200K], "gpt-4o kanana2 llama4 minimax-m2 talkie granite-embed-multi-97m"),
    "tekken": ([cased(UPPER, LOWER, "") + r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|" + SPACES], "tekken"),
    "deepseek-llm": (
        [
            r"[\r\n]",
            rf"\s?[{CASED_LETTERS}]+",
            r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
            r"\s+$",
            r"[一-龥ࠀ-一가-퟿]+",
            r"\p{N}+",
        ],
        "deepseek-llm",
    ),
    "deepseek-coder": ([r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", r"\p{N}"], "deepseek-coder"),
    "deepseek-v3": (
        [r"\p{N}{1,3}", KANA, DEEPSEEK3 + r"[\r\n]*|\s*[\r\n]+|" + SPACES],
        "deepseek-v3 hunyuan-dense hy_v4 joyai-llm",
    ),
    "spark2_5": ([r"\p{N}{1,3}", KANA, DEEPSEEK3 + r"|[\r\n]|" + SPACES, r"\p{N}"], "spark2_5"),
    "youtu": (
        [
            r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" + KANA,
            cased(UPPER, LOWER, CONTRACTION + "?") + r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|" + SPACES,
        ],
        "youtu",
    ),
    "bloom": ([BLOOM], "bloom gpt3-finnish poro-chat"),
    "viking": ([BLOOM, r"\p{N}"], "viking"),
    "chameleon": (
        [
            r"<sentinel:[0-9]+>",
            r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
            r"([\t\n]|    |  )",
            r"\p{N}",
            r"[\p{P}!-/:-@\[-`{-~]",
            GPT2,
        ],
        "chameleon",
    ),
    # \b at the end of digits as Oniguruma has it.
    "tiny_aya": ([r"\d{1,3}(?=(?:\d{3})*(?![\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]))", O200K], "tiny_aya cohere2moe"),
    "superbpe": ([r"\p{N}+", r"(?=(\d{3})+(?!\d))"], "superbpe"),
    "kimi-k2": (
        [r"\p{Script=Han}+|" + cased(*NOT_HAN, CONTRACTION + "?") + r"\p{N}{1,3}|" + TAIL],
        "kimi-k2",
    ),
    "bailingmoe": (
        [
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|" + SPACES
        ],
        "bailingmoe bailingmoe2 llada-moe",
    ),
    "seed-coder": (
        [CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|" + SPACES],
        "seed-coder",
    ),
    "ufakzeka": ([r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + TAIL], "ufakzeka"),
    "afmoe": (
        [
            r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
            "[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+",
            DEEPSEEK3 + r"[\r\n]*|\s*[\r\n]+|" + SPACES,
        ],
        "afmoe",
    ),
    "laguna": (LINES + [QWEN2], "laguna"),
    "exaone-moe": (
        [
            CONTRACTION
            + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|"
            + SPACES
        ],
        "exaone-moe",
    ),
    "jais-2": (
        [
            CONTRACTION
            + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
            + "".join(rf"\s{{{count}}}(?!\S)|" for count in (512, 256, 128, 64, 32, 16, 8, 4, "1,2"))
            + r"\s{1}"
        ],
        "jais-2",
    ),
    "minicpm5": ([r"\p{N}{1,3}", CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+|" + TAIL], "minicpm5"),
    "gemma4": (LINES, "gemma4 granite-embed-multi-311m sarvam-moe"),
    "whitespace": ([r"\S+"], "whitespace"),
}

# Those that take words which are tokens before they merge anything, that look so at lines' ends alone, and that merge
# characters instead of bytes, spaces written as U+2581 or as they are.
WHOLE_WORDS = set(
    "llama3 llama-bpe llama-v3 falcon3 falcon-h1 jina-v5-nano lfm2 midm-2.0 pixtral glm4 glm5 granite-embed-multi-97m "
    "tekken youtu minicpm5".split()
)
WHOLE_LINE_ENDS = {"gemma4", "granite-embed-multi-311m"}
OF_CHARACTERS = {"gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"}
MARKED_SPACES = OF_CHARACTERS - {"whitespace"}


def byte_letters():
    """What stands for each byte in the tokens of a vocabulary of bytes."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = {byte: chr(byte) for byte in visible}
    letters.update({byte: chr(256 + place) for place, byte in enumerate(hidden)})
    return letters


LETTERS = byte_letters()


def spelled(text):
    """A text in the letters of its bytes."""
    return "".join(LETTERS[byte] for byte in text.encode())


def split(pieces, pattern):
    """Every piece cut at the matches of a pattern."""
    for piece in pieces:
        done = 0
        for match in pattern.finditer(piece):
            yield piece[done : match.start()]
            yield match.group()
            done = match.end()
        yield piece[done:]


class PlainBpe:
    """Of a pre-tokenizer's name, tokens, and merges as pairs of tokens in their order."""

    def __init__(self, name, tokens, merges):
        self.name = name
        self.patterns = [regex.compile(source) for source in next(p for p, names in LISTS.values() if name in names.split())]
        self.ids = {token: id for id, token in enumerate(tokens)}
        self.ranks = {pair: rank for rank, pair in reversed(list(enumerate(merges)))}

    def words(self, text):
        pieces = [text]
        for pattern in self.patterns:
            pieces = list(split(pieces, pattern))
        return [piece for piece in pieces if piece]

    def encode(self, text):
        if self.name in MARKED_SPACES:
            text = text.replace(" ", "\u2581")
        return [id for word in self.words(text) for id in self.encode_word(word)]

    def encode_word(self, word):
        symbols = word if self.name in OF_CHARACTERS else spelled(word)
        whole = self.name in WHOLE_WORDS or (self.name in WHOLE_LINE_ENDS and not word.strip("\n"))
        if whole and symbols in self.ids:
            return [self.ids[symbols]]
        ids = []
        for symbol in self.merged(list(symbols)):
            ids += [self.ids[symbol]] if symbol in self.ids else [self.ids[f"<0x{byte:02X}>"] for byte in symbol.encode()]
        return ids

    def merged(self, symbols):
        """The pair of the lowest rank, the leftmost of equals, is merged until none is left."""
        while True:
            ranks = [self.ranks.get(pair, len(self.ranks)) for pair in zip(symbols, symbols[1:])]
            if not ranks or min(ranks) == len(self.ranks):
                return symbols
            at = ranks.index(min(ranks))
            symbols[at : at + 2] = ["".join(symbols[at : at + 2])]
