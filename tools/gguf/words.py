#!/usr/bin/env python3
"""What llama.cpp makes of texts where a GGUF file does not say how words are cut.

  python3 tools/gguf/words.py test/data/tokenizers/gpt2/tokenizer.json test/data/tokenizers/gguf_default.json

needs gguf and llama-cpp-python. Writes a list of objects with "text" and "ids_without_specials", as hone tokenizer
verify reads them.
"""
import json
import random
import sys
import tempfile

import gguf
from llama_cpp import Llama

ATOMS = ["hello", "World", "don't", "I'LL", "it's", "1", "12", "123", "1234", "12345678", "3.14", "$5", "+", "<=>",
         "^^", "~", "|", "...", "!?", "—", "«é»", "naïve", "日本語", "中文。", "😀", "👩‍💻", "٣٤٥", "Ⅷ", "½", "x²", "_",
         "__init__", "a_b", "#", "@", "%", "&", "*", "(x)", "[y]", "{z}", "/", "\\", "'", '"', "`", "=", "--", ":", ";",
         ",", ".", "Привет", "हिन्दी", "العربية", "ไทย", "e\u0301", " ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000",
         "\u2028", "\u200d", "\ufeff"]


def vocabulary(tokenizer, path):
    file = json.load(open(tokenizer, encoding="utf-8"))
    ids = dict(file["model"]["vocab"])
    special = {t["content"]: t["id"] for t in file["added_tokens"]}
    ids.update(special)
    tokens = sorted(ids, key=ids.get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in file["model"]["merges"]]
    out = gguf.GGUFWriter(path, "llama")
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("default")
    out.add_token_list(tokens)
    out.add_token_types([gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t in tokens])
    out.add_token_merges(merges)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main():
    draw = random.Random(5)
    texts = [
        "".join(draw.choice(ATOMS) + (" " if draw.random() < 0.4 else "") for _ in range(draw.randint(1, 14)))
        for _ in range(300)
    ]
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        vocabulary(sys.argv[1], file.name)
        model = Llama(file.name, vocab_only=True, verbose=False)
        lines = [
            json.dumps({"text": t, "ids_without_specials": model.tokenize(t.encode(), add_bos=False, special=False)},
                       ensure_ascii=False) for t in texts
        ]
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(lines) + "\n]\n")


main()
