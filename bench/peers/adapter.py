#!/usr/bin/env python3
"""Does PEFT read what hone writes, and compute the same with it? Trains an adapter by hone beside a model folder, loads it by
PeftModel.from_pretrained, compares the loss on a text, then hone's merged model with merge_and_unload().

    pip install torch transformers peft && ./dev build && python3 bench/peers/adapter.py test/data/models/gpt2"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from train import ROOT

SEQ = 32


def hone(options, *words):
    return subprocess.run([options.hone, *words], check=True, capture_output=True, text=True).stdout


def loss_by_torch(model, data):
    """As hone eval: windows of SEQ tokens that do not overlap, each token predicted from those before it in its window."""
    ids = torch.tensor(list(data))
    total = 0.0
    with torch.no_grad():
        for first in range(0, len(ids) - 1, SEQ):
            window = ids[first:first + SEQ + 1]
            logits = model(input_ids=window[None, :-1]).logits[0].float()
            total += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
    return total / (len(ids) - 1)


def require(what, found, expected, bound):
    error = abs(found - expected)
    print(f"{what}: hone {found:.6f}, PEFT {expected:.6f}, apart by {error:.1e}")
    if not error <= bound:
        sys.exit(f"{what} differs by more than {bound}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--targets", default="all-linear")
    parser.add_argument("--hone", default=os.path.join(ROOT, "build", "hone"), help="the program")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text, adapter, merged = (os.path.join(folder, name) for name in ("text.txt", "adapter", "merged"))
        data = b"".join(b"%d times two is %d. " % (n % 60, 2 * (n % 60)) for n in range(900))
        with open(text, "wb") as f:
            f.write(data)
        hone(options, "train", "--model", options.model, "--data", text, "--tokenizer", "byte", "--out", adapter,
             "--lora-rank", "4", "--lora-targets", options.targets, "--lora-rslora", "--steps", "20", "--batch", "4",
             "--seq", str(SEQ), "--lr", "1e-2", "--warmup", "0")
        evaluation = ["--data", text, "--tokenizer", "byte", "--seq", str(SEQ), "--json"]
        by_hone = json.loads(hone(options, "eval", options.model, "--adapter", adapter, *evaluation))["loss"]
        base_loss = json.loads(hone(options, "eval", options.model, *evaluation))["loss"]
        print(f"the base's loss {base_loss:.4f}")
        base = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
        peft = PeftModel.from_pretrained(base, adapter).eval()
        require("loss with the adapter", by_hone, loss_by_torch(peft, data), 1e-4)
        hone(options, "merge", options.model, adapter, merged, "--dtype", "f32")
        opened = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval()
        require("loss of hone's merged model", by_hone, loss_by_torch(opened, data), 1e-4)
        unloaded, by_name = peft.merge_and_unload().state_dict(), load_file(os.path.join(merged, "model.safetensors"))
        worst = max((by_name[name] - unloaded[name]).abs().max().item() for name in by_name)
        print(f"merged weights apart by {worst:.1e} at most, of {len(by_name)} tensors")
        if worst > 1e-5:
            sys.exit("merged weights differ")


main()
