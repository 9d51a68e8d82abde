#!/usr/bin/env python3
"""Times a token of GPT-2 by hone and by PyTorch, one after the other in rounds, each in its own process.

    pip install torch numpy && cmake -B build -DHONE_BENCH=ON && ninja -C build decode_bench
    python3 bench/peers/decode.py [--rounds 3] [--tokens 60]

One sequence, a prompt of 128 tokens, then token by token: top-k 40, temperature 0.8. PyTorch runs eager in inference
mode, weights in the precision, over a cache of the whole context that is written in place."""
import argparse
import os
import re
import statistics
import subprocess
import sys
import time

from train import CASES, ROOT, torch_model


def cached_step(model, heads, caches, ids, position):
    """Logits of the last of ids [1,T], which stand at `position`; keys and values are written into the caches."""
    import torch
    import torch.nn.functional as F

    t = ids.shape[1]
    x = model.wte(ids) + model.wpe(torch.arange(position, position + t))
    for block, (keys, values) in zip(model.blocks, caches):
        width = x.shape[2]
        q, k, v = (z.view(1, t, heads, width // heads).transpose(1, 2) for z in block.qkv(block.ln_1(x)).split(width, 2))
        seen = position + t
        keys[:, :, position:seen], values[:, :, position:seen] = k, v
        a = F.scaled_dot_product_attention(q, keys[:, :, :seen], values[:, :, :seen], is_causal=t > 1)
        x = x + block.proj(a.transpose(1, 2).reshape(1, t, width))
        x = x + block.out(F.gelu(block.fc(block.ln_2(x)), approximate="tanh"))
    return (model.ln_f(x[:, -1]) @ model.wte.weight.T).float()[0]


def torch_child(case, precision, tokens, threads):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    (layers, width, heads, positions), _, _, vocab = CASES[case]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = torch_model(layers, width, heads, positions, vocab).to(dtype)
    caches = [[torch.zeros(1, heads, positions, width // heads, dtype=dtype) for _ in range(2)] for _ in range(layers)]
    times = []
    with torch.inference_mode():
        logits = cached_step(model, heads, caches, torch.ones(1, 128, dtype=torch.long), 0)
        for position in range(128, 128 + tokens):
            start = time.perf_counter()
            top = torch.topk(logits / 0.8, 40)
            token = top.indices[torch.multinomial(top.values.softmax(-1), 1)].view(1, 1)
            logits = cached_step(model, heads, caches, token, position)
            times.append(time.perf_counter() - start)
    print(f"decode {statistics.median(times) * 1e3:.2f} ms a token")


def ms_of(command):
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(re.search(r"decode ([0-9.]+) ms a token", output).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each peer and case")
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cases", default="gpt2:f32,gpt2:bf16")
    parser.add_argument("--bench", default=os.path.join(ROOT, "build", "decode_bench"), help="hone's program")
    options = parser.parse_args()
    for name in options.cases.split(","):
        case = name.split(":") + [str(options.threads), str(options.tokens)]
        peers = {"hone": [options.bench, *case],
                 "torch": [sys.executable, os.path.abspath(__file__), "--child", case[0], case[1], case[3], case[2]]}
        runs = {peer: [] for peer in peers}
        for _ in range(options.rounds):
            for peer, command in peers.items():
                runs[peer].append(ms_of(command))
        median = {peer: statistics.median(ms) for peer, ms in runs.items()}
        print(f"{name}: " + "; ".join(f"{peer} {1e3 / median[peer]:.0f} tok/s ({min(ms):.2f} to {max(ms):.2f} ms)"
                                      for peer, ms in runs.items()) + f"; {median['torch'] / median['hone']:.2f}x",
              flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        torch_child(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
