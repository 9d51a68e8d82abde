#!/usr/bin/env python3
"""Writes test/data/tokenizers/kinds.json: every kind of normalizer, pre-tokenizer, model, post-processor, decoder and
added token of Hugging Face's tokenizers over a small vocabulary, with the ids and texts that it gives.

  pip install tokenizers==0.23.3
  python3 tools/tokenizer_kinds.py > test/data/tokenizers/kinds.json
"""
import itertools
import json

from tokenizers import Tokenizer

TEXTS = ["", " ", "  \t\n", "Hello, world! It's 2024; don't.", "naïve e\u0301 Å A\u030a \u212b ﬁ ½ ² İ ẞ ſ",
         "👩‍👩‍👧 🏳️‍🌈 👍🏽", "日本語テストー。中文,한국어", "مرحبا ١٢٣ สวัสดีกำ क्षि", "a\x00b\x01\x7f\x85c", "l\r\nn\r\n\r\n  x\n",
         "<s> hi </s>MASK  x", " MASKMASK MASK_ ", "'s 'T 'Ll 'ſ", "the aaaaa  THE  ▁x", "\u200b\u200d\ufeffZ\u00a0W\u3000V"]
LETTERS = [chr(c) for c in range(32, 127)] + list("éßİ大あアー한ก▁ĠĊİſ²½")
WORDS = "the ing Th ▁the ▁a he ##a ##b ##e ##t ##h ##the ▁t Hello world".split()
BYTES = ["<0x%02X>" % b for b in range(256)]


def vocabulary(*more):
    return {t: i for i, t in enumerate(dict.fromkeys(["[UNK]", "<s>", "</s>"] + LETTERS + WORDS + list(more)))}


def bpe(more=(), merges=(("t", "h"), ("th", "e"), ("a", "a"), ("aa", "aa"), ("▁", "t"), ("l", "l")), **options):
    tokens = vocabulary(*more, *(a + b.removeprefix("##") for a, b in merges))
    return dict(type="BPE", dropout=None, unk_token="[UNK]", continuing_subword_prefix=None, end_of_word_suffix=None,
                fuse_unk=False, byte_fallback=False, ignore_merges=False, vocab=tokens,
                merges=[list(m) for m in merges]) | options


def unigram(more, **options):
    pieces = [["<unk>", 0.0]] + [[t, -1 - i % 11 - i / 1000] for i, t in enumerate(vocabulary(*more))]
    return dict(type="Unigram", unk_id=0, vocab=pieces) | options


MODELS = {
    "bpe": bpe(),
    "bpe_fused": bpe(fuse_unk=True, ignore_merges=True),
    "bpe_bytes": bpe(BYTES, byte_fallback=True),
    "bpe_silent": bpe(unk_token=None, merges=()),
    "bpe_prefix": bpe(merges=(("t", "##h"), ("##e", "##t")), continuing_subword_prefix="##"),
    "bpe_suffix": bpe(("e</w>", "a</w>", "he</w>"), (("h", "e</w>"), ("t", "h")), end_of_word_suffix="</w>"),
    "word_piece": dict(type="WordPiece", unk_token="[UNK]", continuing_subword_prefix="##", max_input_chars_per_word=5,
                       vocab=vocabulary()),
    "word_level": dict(type="WordLevel", unk_token="[UNK]", vocab=vocabulary()),
    "unigram": unigram((), byte_fallback=False),
    "unigram_bytes": unigram(BYTES, byte_fallback=True),
}


def kind(name, **options):
    return dict(type=name) | options


def regex(text):
    return {"Regex": text}


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
PATTERNS = [r"\s+", r"\w+|[^\w\s]+", r" ?[^(\s|[.,!?…。，、।۔،])]+", r"[a-z&&[^aeiou]]+|\p{Han}+|\h", r"^.|.$|\b",
            r"(?<=\d)(?=(?:\d{2})+(?!\d))", r"(?i:the|'s)|(?>a+)b?|a*?b|\R|[^\S\r\n]+", "",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
            r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
            r"|\s+(?!\S)|\s+"]
METASPACES = [kind("Metaspace", replacement="▁", prepend_scheme=p, split=s)
              for p, s in itertools.product(["always", "first", "never"], [True, False])]
NORMALIZERS = [kind(n) for n in "NFC NFD NFKC NFKD Lowercase StripAccents Nmt ByteLevel".split()]
NORMALIZERS += [kind("Strip", strip_left=a, strip_right=b) for a, b in itertools.product([True, False], repeat=2)]
NORMALIZERS += [kind("BertNormalizer", clean_text=a, handle_chinese_chars=b, strip_accents=c, lowercase=d)
                for a, b, c, d in [(True, True, None, True), (True, False, False, True), (False, True, True, False)]]
NORMALIZERS += [kind("Prepend", prepend="▁"), kind("Replace", pattern={"String": " "}, content="▁"),
                kind("Replace", pattern=regex(r" {2,}|x*"), content="-"),
                kind("Sequence", normalizers=[kind("NFD"), kind("StripAccents"), kind("Lowercase")])]
PRE_TOKENIZERS = [kind(n) for n in "Whitespace WhitespaceSplit BertPreTokenizer UnicodeScripts".split()]
PRE_TOKENIZERS += [kind("CharDelimiterSplit", delimiter="a"), kind("FixedLength", length=3)]
PRE_TOKENIZERS += [kind("Digits", individual_digits=d) for d in (True, False)] + METASPACES
PRE_TOKENIZERS += [kind("Punctuation", behavior=b) for b in BEHAVIORS]
PRE_TOKENIZERS += [kind("Split", pattern=regex(p), behavior=BEHAVIORS[i % 5], invert=i % 3 == 0)
                   for i, p in enumerate(PATTERNS * 4)]
PRE_TOKENIZERS += [kind("Split", pattern={"String": "th"}, behavior=b, invert=False) for b in BEHAVIORS]
BYTE_LEVELS = [kind("ByteLevel", add_prefix_space=p, trim_offsets=True, use_regex=r)
               for p, r in itertools.product([True, False], repeat=2)]
PRE_TOKENIZERS += [kind("Sequence", pretokenizers=[kind("WhitespaceSplit"), METASPACES[0]])]
DECODERS = [kind("Fuse"), kind("ByteFallback"), kind("BPEDecoder", suffix="e"), BYTE_LEVELS[0]] + METASPACES[::2]
DECODERS += [kind("WordPiece", prefix="##", cleanup=c) for c in (True, False)]
DECODERS += [kind("CTC", pad_token="a", word_delimiter_token="|", cleanup=c) for c in (True, False)]
DECODERS += [kind("Replace", pattern=regex("[aeiou]+"), content="-"), kind("Strip", content="a", start=1, stop=0)]
DECODERS += [kind("Sequence", decoders=[kind("Replace", pattern={"String": "▁"}, content=" "), kind("ByteFallback"),
                                        kind("Fuse"), kind("Strip", content=" ", start=a, stop=b)])
             for a, b in [(1, 0), (0, 2), (3, 1)]]
POSTS = [kind("BertProcessing", sep=["</s>", 2], cls=["<s>", 1]), BYTE_LEVELS[0],
         kind("RobertaProcessing", sep=["</s>", 2], cls=["<s>", 1], trim_offsets=True, add_prefix_space=True)]
ONE = {"SpecialToken": {"id": "<s>", "type_id": 0}}
POSTS += [kind("TemplateProcessing", single=[ONE, {"Sequence": {"id": "A", "type_id": 0}}, ONE], pair=[ONE],
               special_tokens={"<s>": {"id": "<s>", "ids": [1, 2], "tokens": ["<s>", "</s>"]}})]
POSTS += [kind("Sequence", processors=POSTS[:3])]


def added(content, vocab, **flags):
    plain = dict.fromkeys(["single_word", "lstrip", "rstrip", "normalized", "special"], False)
    return dict(id=vocab.get(content, len(vocab)), content=content) | plain | flags


ADDED = [[("<s>", dict(special=True))], [("MASK", dict(lstrip=True))], [("MASK", dict(rstrip=True))],
         [("MASK", dict(single_word=True))], [("MASK", dict(lstrip=True, rstrip=True)), ("</s>", dict(special=True))],
         [("The", dict(normalized=True))], [("é", dict())], [("e\u0301", dict(normalized=True))]]


def cases():
    for n in NORMALIZERS:
        yield dict(model="bpe", normalizer=n)
    for p in PRE_TOKENIZERS:
        yield dict(model="bpe", pre_tokenizer=p)
    for p in BYTE_LEVELS:
        yield dict(model="bpe_fused", pre_tokenizer=p, decoder=BYTE_LEVELS[0])
        yield dict(model="word_level", pre_tokenizer=p)
    for name in MODELS:
        for p in (None, METASPACES[0], kind("Whitespace")):
            yield dict(model=name, pre_tokenizer=p)
    for i, d in enumerate(DECODERS):
        yield dict(model="unigram_bytes" if i % 2 else "word_piece", pre_tokenizer=METASPACES[0], decoder=d)
        yield dict(model="bpe_bytes", decoder=d)
    for p in POSTS:
        yield dict(model="bpe", post_processor=p)
    for tokens, n in itertools.product(ADDED, (None, kind("Lowercase"), kind("NFC"))):
        vocab = MODELS["bpe"]["vocab"]
        yield dict(model="bpe", normalizer=n, added_tokens=[added(t, vocab, **f) for t, f in tokens])


def golden(file):
    """Of each text: ids, ids without specials, both decodings; what is as the one before it is null."""
    tokenizer = Tokenizer.from_str(json.dumps(file))
    for text in TEXTS:
        ids, plain = tokenizer.encode(text).ids, tokenizer.encode(text, add_special_tokens=False).ids
        try:
            decoded, with_specials = tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=False)
        except BaseException:  # Strip gives up on an empty token
            yield None
            continue
        yield [ids, None if plain == ids else plain, decoded, None if with_specials == decoded else with_specials]


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


print("{\n\"texts\": " + dump(TEXTS) + ",\n\"models\": {")
print(",\n".join(f"{dump(n)}: {dump(m)}" for n, m in MODELS.items()))
print("},\n\"cases\": [")
lines = []
for case in cases():
    parts = dict.fromkeys(["normalizer", "pre_tokenizer", "post_processor", "decoder"]) | case
    file = dict(version="1.0", truncation=None, padding=None, added_tokens=[]) | parts
    file["model"] = MODELS[case["model"]]
    lines.append(dump(case | {"golden": list(golden(file))}))
print(",\n".join(lines) + "\n]}")
