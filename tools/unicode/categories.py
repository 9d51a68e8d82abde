#!/usr/bin/env python3
"""Writes src/text/unicode_data.cpp: the general category of every code point, as runs.

  pip install unicodedata2==16.0.0      (Python's own unicodedata is of whatever version Python brings)
  python3 tools/unicode/categories.py > src/text/unicode_data.cpp

The version is that of Hugging Face's tokenizers 0.23, whose ids hone gives; another one is another set of ids for
characters that were assigned since, so it changes with intent and stands in doc/formats.md.
"""
import itertools

import unicodedata2

VERSION = "16.0.0"
# The order of hone::GeneralCategory.
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn".split()


def runs():
    number = {name: i for i, name in enumerate(CATEGORIES)}
    code_points = (number[unicodedata2.category(chr(c))] for c in range(0x110000))
    for category, run in itertools.groupby(code_points):
        yield sum(1 for _ in run) * 32 + category


def lines(numbers, width=106):
    line = ""
    for number in numbers:
        word = f"{number},"
        if len(line) + len(word) > width:
            yield line
            line = ""
        line += word
    yield line


assert unicodedata2.unidata_version == VERSION, unicodedata2.unidata_version
print(f"// Made by tools/unicode/categories.py from Unicode {VERSION}. Each number is a run of code points of one")
print("// general category, from U+0000 up: its length * 32 + the category.")
print('#include "text/unicode.hpp"\n')
print("namespace hone {\n")
print(f'const char* const unicode_data_version = "{VERSION}";\n')
print("// clang-format off")
print("const std::uint32_t unicode_category_runs[] = {")
for line in lines(runs()):
    print(line)
print("0};")
print("// clang-format on\n")
print("}  // namespace hone")
