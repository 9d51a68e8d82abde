#!/usr/bin/env python3
"""Writes src/text/unicode_mappings_data.cpp (normalization, lower case) and unicode_scripts_data.cpp, with the sets of
characters that some normalizers and pre-tokenizers of Hugging Face's tokenizers 0.23 know, each of whatever Unicode version that part of it
has (11 for normalization, 17 for lower case, 8 and so for punctuation): all are asked of the library itself.

  pip install tokenizers==0.23.3 unicodedata2==16.0.0
  python3 tools/unicode/normalization.py mappings > src/text/unicode_mappings_data.cpp
  python3 tools/unicode/normalization.py scripts > src/text/unicode_scripts_data.cpp      (minutes)

A table is a list of numbers from 0 up, each written in base 32, lowest digit first, with 32 added to every digit but
the last one; a digit is one of DIGITS.
"""
import sys
import unicodedata

import unicodedata2
from tokenizers import Regex, normalizers, pre_tokenizers

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-"
CHARACTERS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
SCRIPTS = """Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian
Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan
Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi
Gurmukhi Gurung_Khema Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian
Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari
New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian
Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene
Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting
Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet
Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Vai Vithkuqi
Wancho Warang_Citi Yezidi Yi Zanabazar_Square""".split()


def runs(values):
    """Of a list of one value a code point: [begin, end, value]."""
    result = []
    for code, value in values:
        if result and result[-1][1] == code and result[-1][2] == value:
            result[-1][1] = code + 1
        else:
            result.append([code, code + 1, value])
    return result


def decompositions():
    """(code point, canonical?, composes again?, mapping): of NFD where canonical, else of NFKD."""
    nfd, nfkd, nfc = normalizers.NFD(), normalizers.NFKD(), normalizers.NFC()
    for c in CHARACTERS:
        if 0xAC00 <= c <= 0xD7A3:
            continue  # Hangul syllables are computed
        text = chr(c)
        canonical, compatible = nfd.normalize_str(text), nfkd.normalize_str(text)
        if canonical != text:
            yield c, True, nfc.normalize_str(text) == text, canonical
        if compatible != canonical:
            yield c, False, False, compatible


def decomposition_numbers():
    last = 0
    for c, canonical, composes, mapping in decompositions():
        yield c - last
        yield len(mapping) * 4 + canonical * 2 + composes
        for m in mapping:
            d = ord(m) - c
            yield 2 * d if d >= 0 else -2 * d - 1
        last = c


def combining_class(c):
    """Python's own, where the library knows the character as a mark that moves."""
    own = unicodedata.combining(chr(c))
    if own == 0:
        return 0
    other = "\u0301" if own != 230 else "\u0316"  # of class 230, or 220
    text = "a" + (other + chr(c) if own < 230 else chr(c) + other)
    return own if normalizers.NFD().normalize_str(text) == "a" + "".join(
        sorted(text[1:], key=lambda x: unicodedata.combining(x))) != text else 0


def class_numbers():
    last = 0
    for begin, end, value in runs((c, combining_class(c)) for c in CHARACTERS):
        if value:
            yield from (begin - last, end - begin, value)
            last = end


def lower_case_numbers():
    """Runs of (gap, count, step, offset as zigzag); U+0130, which becomes two characters, is left out."""
    lower = normalizers.Lowercase()
    pairs = [(c, lower.normalize_str(chr(c))) for c in CHARACTERS]
    assert [c for c, l in pairs if len(l) > 1] == [0x130]
    moved = [(c, ord(l) - c) for c, l in pairs if len(l) == 1 and ord(l) != c]
    grouped = []
    for c, offset in moved:
        if grouped:
            group = grouped[-1]
            step = c - group[-1][0]
            if offset == group[0][1] and step <= 2 and (len(group) == 1 or step == group[1][0] - group[0][0]):
                group.append((c, offset))
                continue
        grouped.append([(c, offset)])
    last = 0
    for group in grouped:
        yield group[0][0] - last
        yield len(group)
        yield group[1][0] - group[0][0] if len(group) > 1 else 1
        yield 2 * group[0][1] if group[0][1] >= 0 else -2 * group[0][1] - 1
        last = group[0][0]


def range_numbers(holds):
    last = 0
    for begin, end, value in runs((c, bool(holds(c))) for c in CHARACTERS):
        if value:
            yield from (begin - last, end - begin)
            last = end


def category(c):
    return unicodedata2.category(chr(c))


def differences(holds, categories):
    """Code points where holds(text) and the general category in Unicode 16 disagree."""
    return range_numbers(lambda c: holds(chr(c)) != (category(c) in categories))


def script_numbers():
    """What Oniguruma's \\p{Han} and so say: (gap, length, script)."""
    everything = "".join(map(chr, CHARACTERS))
    script = {}
    for number, name in enumerate(SCRIPTS):
        left = set(normalizers.Replace(Regex(r"\p{%s}" % name), "").normalize_str(everything))
        for c in CHARACTERS:
            if chr(c) not in left:
                script[c] = number
    last = 0
    for begin, end, value in runs((c, script.get(c)) for c in CHARACTERS):
        if value is not None:
            yield from (begin - last, end - begin, value)
            last = end


def split_script_numbers():
    """Lengths of the runs that the pre-tokenizer UnicodeScripts keeps together, each with the number of its script;
    0: any script's."""
    split = pre_tokenizers.UnicodeScripts()
    joined = lambda a, b: len(split.pre_tokenize_str(chr(a) + chr(b))) < 2
    representatives, last, end = [], None, 0
    found = []
    for c in CHARACTERS:
        if c == 0x20 or (joined(0x41, c) and joined(0x430, c)):
            number = 0
        elif last is not None and joined(last, c):
            number = found[-1][1] if found[-1][1] else next(n for r, n in representatives if joined(r, c))
            if not joined(next(r for r, n in representatives if n == number), c):
                number = next(n for r, n in representatives if joined(r, c))
        else:
            number = next((n for r, n in representatives if joined(r, c)), None)
            if number is None:
                number = len(representatives) + 1
                representatives.append((c, number))
        found.append((c, number))
        last = c if number else None
    for begin, end, value in runs(found):
        if value:
            yield from (begin, end - begin, value)


def gaps(triples):
    triples, last = list(triples), 0
    for i in range(0, len(triples), 3):
        yield from (triples[i] - last, triples[i + 1], triples[i + 2])
        last = triples[i] + triples[i + 1]


def packed(numbers):
    text = ""
    for number in numbers:
        assert number >= 0
        while number >= 32:
            text += DIGITS[number % 32 + 32]
            number //= 32
        text += DIGITS[number]
    return text


def table(name, numbers):
    text = packed(numbers)
    print(f"const std::string_view {name} =")
    lines = [text[i:i + 112] for i in range(0, len(text), 112)]
    print("\n".join(f'"{line}"' for line in lines) + ";\n")


def removes(normalizer):
    return lambda text: normalizer.normalize_str(text) == ""


def bert(**options):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **options})


def mappings():
    punctuation = pre_tokenizers.Punctuation("isolated")
    table("decomposition_table", decomposition_numbers())
    table("combining_class_table", class_numbers())
    table("lower_case_table", lower_case_numbers())
    table("strip_accents_table", differences(removes(normalizers.StripAccents()), "Mn Mc Me".split()))
    table("bert_accents_table", differences(removes(bert(strip_accents=True)), ["Mn"]))
    table("bert_control_table", differences(removes(bert(clean_text=True)), "Cc Cf Co".split()))
    table("punctuation_table", differences(lambda t: len(punctuation.pre_tokenize_str("a" + t + "a")) == 3,
                                           "Pc Pd Ps Pe Pi Pf Po".split()))


def scripts():
    table("split_script_table", gaps(split_script_numbers()))
    table("script_table", script_numbers())
    print("const std::string_view script_names[] = {")
    line = ""
    for name in SCRIPTS + [""]:
        word = f'"{name}", ' if name else ""
        if len(line) + len(word) > 110 or not name:
            print(line.rstrip())
            line = ""
        line += word
    print("};\nconst std::size_t script_count = %d;" % len(SCRIPTS))


what = sys.argv[1]
print(f"// Made by tools/unicode/normalization.py {what}, which says how a table is written, from tokenizers 0.23.3.")
print('#include "text/unicode_mappings.hpp"\n\nnamespace hone {\n\n// clang-format off')
{"mappings": mappings, "scripts": scripts}[what]()
print("// clang-format on\n\n}  // namespace hone")
