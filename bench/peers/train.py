#!/usr/bin/env python3
"""Times a training step by hone and by PyTorch, in one run: of GPT-2, and of an encoder-decoder. Rounds interleave the two, each in its own process.

    pip install torch numpy && ./dev build && python3 bench/peers/train.py [--rounds 5] [--torch-only] [--json]

A step is forward, backward, clip of the gradient's norm to 1, AdamW, over random tokens; of the encoder-decoder the target's
are counted. PyTorch runs eager, as people run it: scaled_dot_product_attention or torch.nn.Transformer, fused AdamW, autocast
for bf16. Memory is the child's peak resident set."""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

CASES = {  # model: (layers, width, heads, positions), batch, length, vocabulary
    "gpt2": ((12, 768, 12, 1024), 4, 256, 50257),
    "nano": ((6, 384, 6, 1024), 32, 256, 4096),
    "transformer-base": ((6, 512, 8, 512), 16, 64, 10000),  # layers of each half; length of source and of target
}
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def torch_model(layers, width, heads, positions, vocab):
    import torch
    from torch import nn
    import torch.nn.functional as F

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.fc, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):  # [B,T,C]
            b, t, c = x.shape
            q, k, v = (z.view(b, t, heads, c // heads).transpose(1, 2) for z in self.qkv(self.ln_1(x)).split(c, 2))
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.proj(a.transpose(1, 2).reshape(b, t, c))
            return x + self.out(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(vocab, width), nn.Embedding(positions, width)
            self.blocks, self.ln_f = nn.ModuleList(Block() for _ in range(layers)), nn.LayerNorm(width)
            for p in self.parameters():
                if p.dim() > 1:
                    nn.init.normal_(p, std=0.02)

        def forward(self, ids):  # [B,T] -> [B,T,V]
            x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.ln_f(x) @ self.wte.weight.T

    return Gpt()


def torch_encoder_decoder(layers, width, heads, positions, vocab):
    """torch.nn.Transformer with its defaults (post-norm, relu, dropout 0.1) between embeddings and a head."""
    import torch
    from torch import nn

    class EncoderDecoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.src, self.tgt = nn.Embedding(vocab, width), nn.Embedding(vocab, width)
            self.transformer = nn.Transformer(width, heads, layers, layers, 4 * width, batch_first=True)
            self.out, self.dropout = nn.Linear(width, vocab), nn.Dropout(0.1)
            angles = torch.arange(positions)[:, None] * 1e4 ** (-torch.arange(0, width, 2) / width)
            self.register_buffer("table", torch.cat([angles.sin(), angles.cos()], 1))
            for table in (self.src, self.tgt):
                nn.init.normal_(table.weight, std=width ** -0.5)

        def embed(self, ids, table):
            return self.dropout(table(ids) * width ** 0.5 + self.table[:ids.shape[1]])

        def forward(self, source, target):  # [B,S], [B,T] -> [B,T,V]
            mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
            y = self.transformer(self.embed(source, self.src), self.embed(target, self.tgt), tgt_mask=mask,
                                 tgt_is_causal=True)
            return self.out(y)

    return EncoderDecoder()


def torch_child(case, precision, steps, threads):
    """One process' measurement, printed as JSON; the first step is not timed (it makes the optimizer's state)."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    shape, batch, length, vocab = CASES[case]
    two_sided = case.startswith("transformer")
    model = (torch_encoder_decoder if two_sided else torch_model)(*shape, vocab)
    decay = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), fused=True)
    times = []
    for _ in range(steps + 1):
        source, ids = torch.randint(vocab, (batch, length)), torch.randint(vocab, (batch, length + 1))
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = model(source, ids[:, :-1]) if two_sided else model(ids[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rate = batch * length / statistics.median(times[1:])
    print(json.dumps({"tokens_per_s": rate, "peak_bytes": peak, "torch": torch.__version__}))


def run_child(command):
    """The last JSON line of a process, and its own peak resident set as the parent sees it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(command)}")
    result = json.loads(output.strip().splitlines()[-1])
    result["peak_bytes"] = usage.ru_maxrss * 1024
    return result


def run_torch(case, precision, options):
    return run_child([sys.executable, os.path.abspath(__file__), "--child", case, precision, str(options.steps),
                      str(options.threads)])


def run_hone(case, precision, options):
    _, batch, length, vocab = CASES[case]
    result = run_child([options.hone, "bench", "train", "--model", case, "--batch", str(batch), "--seq", str(length),
                        "--vocab", str(vocab), "--precision", precision, "--threads", str(options.threads), "--json"]
                       + (["--isa", "avx2"] if options.avx2 else []))
    result["tokens_per_s"] = result["tokens_per_s"]["median"]
    return result


def spread(runs):
    rates = [run["tokens_per_s"] for run in runs]
    return {"median": statistics.median(rates), "min": min(rates), "max": max(rates),
            "peak_bytes": int(statistics.median(run["peak_bytes"] for run in runs))}


def compare(case, precision, options):
    peers = {"torch": run_torch} if options.torch_only else {"hone": run_hone, "torch": run_torch}
    runs = {name: [] for name in peers}
    for round_number in range(options.rounds):
        order = list(peers) if round_number % 2 == 0 else list(reversed(peers))
        for name in order:
            runs[name].append(peers[name](case, precision, options))
    row = {"case": f"{case} {precision}", **{name: spread(of) for name, of in runs.items()}}
    if "hone" in row:
        row["speed_ratio"] = row["hone"]["median"] / row["torch"]["median"]
        row["memory_ratio"] = row["hone"]["peak_bytes"] / row["torch"]["peak_bytes"]
    return row


def show(row):
    def side(name):
        s = row[name]
        return f"{name} {s['median']:,.0f} tok/s ({s['min']:,.0f} to {s['max']:,.0f}) {s['peak_bytes'] / 1e9:.2f} GB"

    line = "; ".join(side(name) for name in ("hone", "torch") if name in row)
    if "speed_ratio" in row:
        line += f"; speed {row['speed_ratio']:.2f}x, memory {row['memory_ratio']:.2f}x"
    print(f"{row['case']}: {line}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="processes of each peer and case")
    parser.add_argument("--steps", type=int, default=5, help="timed steps of a PyTorch process")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cases",
                        default="gpt2:f32,gpt2:bf16,nano:f32,nano:bf16,transformer-base:f32,transformer-base:bf16")
    parser.add_argument("--hone", default=os.path.join(ROOT, "build", "hone"), help="the program")
    parser.add_argument("--torch-only", action="store_true")
    parser.add_argument("--avx2", action="store_true", help="both as on a CPU without AVX-512")
    parser.add_argument("--json", action="store_true", help="one object a case and line")
    options = parser.parse_args()
    if options.avx2:  # what PyTorch's own kernels, oneDNN and MKL each ask
        os.environ.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", MKL_ENABLE_INSTRUCTIONS="AVX2")
    for name in options.cases.split(","):
        case, precision = name.split(":")
        row = compare(case, precision, options)
        print(json.dumps(row), flush=True) if options.json else show(row)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        torch_child(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
