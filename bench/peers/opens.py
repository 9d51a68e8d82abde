#!/usr/bin/env python3
"""Does what hone saves open in Transformers, with the same numbers?

    bench/peers/opens.py [--hone build/hone] [NAME ...]

For each family a small model of Transformers is trained some steps by hone, in shards too; what hone saved is
opened by from_pretrained, and its logits, loss and gradients there are compared with hone's by `hone verify`.
"""
import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import golden
import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
golden.MODELS["gpt2"] = dict(model_type="gpt2", n_embd=32, n_layer=2, n_head=4, n_positions=64, attn_pdrop=0,
                              embd_pdrop=0, resid_pdrop=0)
# bf16 in, f32 out: config.json must say so.
STORED = {"llama_tied": torch.bfloat16}


def check(hone, name, folder):
    model = golden.make(name, vocab_size=256, bos_token_id=1, eos_token_id=2)
    model.to(STORED.get(name, torch.float32)).save_pretrained(folder / "made")
    text = folder / "text.txt"
    text.write_text("What is saved opens elsewhere. " * 200)
    subprocess.run([hone, "train", "--model", folder / "made", "--data", text, "--tokenizer", "byte", "--steps", "3",
                    "--batch", "2", "--seq", "24", "--warmup", "0", "--max-shard-size", "60KB", "--out", folder / "saved",
                    "--json"], check=True, capture_output=True)
    again, told = AutoModelForCausalLM.from_pretrained(folder / "saved", attn_implementation="eager",
                                                       output_loading_info=True)
    strange = {key: value for key, value in told.items() if value}
    if strange or again.dtype != torch.float32:
        return f"{strange} {again.dtype}"
    golden.write_golden(again, folder / "golden.safetensors")
    found = subprocess.run([hone, "verify", folder / "saved", "--golden", folder / "golden.safetensors", "--json"],
                           capture_output=True, text=True)
    report = json.loads(found.stdout)
    error = report["max_error"]
    shards = len(list((folder / "saved").glob("*.safetensors")))
    print(f"{name:16} {shards} files, logits {error['logits']:.1e} loss {error['loss']:.1e} "
          f"gradients {error['gradients']:.1e} losses {error['losses']:.1e}")
    return "" if report["ok"] else found.stderr or "out of bounds"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--hone", default="build/hone")
    options.add_argument("names", nargs="*")
    o = options.parse_args()
    failed = False
    for name in o.names or golden.MODELS:
        with tempfile.TemporaryDirectory() as folder:
            if why := check(o.hone, name, Path(folder)):
                print(f"{name}: {why}")
                failed = True
    raise SystemExit(failed)


main()
