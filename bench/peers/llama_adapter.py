#!/usr/bin/env python3
"""Does llama.cpp load the adapters that hone writes, and go the same way with them? Trains an adapter by hone beside a model that
both read (a GGUF file, or a folder that is converted first), then lets both continue prompts greedily, with and without it.

    pip install llama-cpp-python && ./dev build && python3 bench/peers/llama_adapter.py SmolLM2-135M.gguf"""
import argparse
import os
import subprocess
import sys
import tempfile

from llama_cpp import Llama

from train import ROOT

PROMPTS = ["17 times two is ", "The capital of France is", "5 times two is "]
TOKENS = 16


def hone(options, *words):
    return subprocess.run([options.hone, *words], check=True, capture_output=True, text=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--targets", default="all-linear")
    parser.add_argument("--steps", default="12")
    parser.add_argument("--hone", default=os.path.join(ROOT, "build", "hone"), help="the program")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text, adapter, file, base = (os.path.join(folder, n) for n in ("text.txt", "adapter", "adapter.gguf", "base.gguf"))
        with open(text, "w", encoding="utf-8") as f:
            f.write("".join(f"{n % 60} times two is {2 * (n % 60)}. " for n in range(900)))
        if os.path.isdir(options.model):
            hone(options, "convert", options.model, base, "--type", "f32")
        else:
            base = options.model
        hone(options, "train", "--model", base, "--data", text, "--out", adapter, "--lora-rank", "8", "--lora-rslora",
             "--lora-targets", options.targets, "--steps", options.steps, "--batch", "4", "--seq", "64", "--lr", "1e-3",
             "--warmup", "0")
        hone(options, "convert", adapter, file)
        alike = 0
        for lora in (None, file):
            peer = Llama(model_path=base, lora_path=lora, n_ctx=256, verbose=False)
            for prompt in PROMPTS:
                words = ["--adapter", adapter] if lora else []
                ours = hone(options, "generate", base, *words, "--prompt", prompt, "-n", str(TOKENS), "--temperature", "0")
                theirs = peer(prompt, max_tokens=TOKENS, temperature=0)["choices"][0]["text"]
                print(f"{'adapted' if lora else 'base':8}{prompt!r}: hone {ours.strip()!r}, llama.cpp {theirs.strip()!r}")
                alike += ours.strip() == theirs.strip()
        print(f"{alike} of {2 * len(PROMPTS)} alike")
        if alike < 2 * len(PROMPTS) - 1:  # one may part at a tie
            sys.exit("they differ")


main()
