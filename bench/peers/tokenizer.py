#!/usr/bin/env python3
"""Times hone's tokenizer beside Hugging Face's, in turns, each on one core, over the same text and file.

  pip install tokenizers==0.23.3
  python3 bench/peers/tokenizer.py --hone build/hone --tokenizer gpt2/tokenizer.json --data book.txt
"""
import argparse
import json
import os
import statistics
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402  (reads the variable)

parser = argparse.ArgumentParser()
parser.add_argument("--hone", default="build/hone")
parser.add_argument("--tokenizer", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--rounds", type=int, default=5)
args = parser.parse_args()

text = open(args.data, newline="", encoding="utf-8").read()
size = len(text.encode()) / 1e6
theirs = Tokenizer.from_file(args.tokenizer)
speeds = {"hone": [], "tokenizers": []}
ids = {}
for _ in range(args.rounds):
    run = subprocess.run([args.hone, "bench", "tokenizer", "--tokenizer", args.tokenizer, "--data", args.data,
                          "--steps", "1", "--json"], capture_output=True, text=True, check=True)
    line = json.loads(run.stdout)
    speeds["hone"].append(line["mb_per_s"]["median"] if isinstance(line["mb_per_s"], dict) else line["mb_per_s"])
    ids["hone"] = line["ids"]
    begin = time.perf_counter()
    encoded = theirs.encode(text, add_special_tokens=False)
    speeds["tokenizers"].append(size / (time.perf_counter() - begin))
    ids["tokenizers"] = len(encoded.ids)
for name, values in speeds.items():
    print(f"{name:10} {statistics.median(values):6.1f} MB/s (from {min(values):.1f} to {max(values):.1f}), {ids[name]} ids")
