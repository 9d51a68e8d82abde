#!/usr/bin/env python3
"""Times a step of LoRA fine-tuning by hone and by PyTorch with PEFT, in one run. Rounds interleave the two, each in its own process.

    pip install torch transformers peft && ./dev build && python3 bench/peers/lora.py [--rounds 5] [--cases attention:f32,...] [--json]

The model is of SmolLM2-135M's shape with random weights (or --model FOLDER), in f32 on disk; the adapter has rank 8 on q_proj and
v_proj (attention), or on every product but the head (all). PyTorch runs eager: fused AdamW over the adapter; in bf16 either the
base is loaded in bf16 (its usual way, less memory) or, with --autocast, f32 under autocast. Memory is the child's peak resident set."""
import argparse
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time

from train import ROOT, run_child, show, spread

TARGETS = {"attention": "q_proj,v_proj", "all": "all-linear"}
BATCH, LENGTH = 4, 256


def make_model(folder):
    """SmolLM2-135M's config.json (HuggingFaceTB), random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                         num_key_value_heads=3, vocab_size=49152, max_position_embeddings=2048, rope_theta=100000.0,
                         tie_word_embeddings=True, rms_norm_eps=1e-5)
    LlamaForCausalLM(config).save_pretrained(folder)


def torch_child(folder, targets, precision, autocast, steps, threads):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    base_type = torch.bfloat16 if precision == "bf16" and not autocast else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=base_type)
    targets = targets if targets == "all-linear" else targets.split(",")
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=targets, task_type="CAUSAL_LM"))
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    times = []
    for _ in range(steps + 1):  # the first step is not timed
        ids = torch.randint(256, (BATCH, LENGTH))
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"tokens_per_s": BATCH * LENGTH / statistics.median(times[1:]), "peak_bytes": peak}))


def run_torch(case, precision, options):
    return run_child([sys.executable, os.path.abspath(__file__), "--child", options.model, TARGETS[case], precision,
                      str(int(options.autocast)), str(options.steps), str(options.threads)])


def run_hone(case, precision, options):
    """By hone train; its events have the rate of each step, of which the first is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        command = " ".join([options.hone, "train --model", options.model, "--data", options.data, "--tokenizer byte --out",
                            os.path.join(folder, "out"), "--lora-rank 8 --lora-alpha 16 --lora-targets", TARGETS[case],
                            f"--precision {precision} --batch {BATCH} --seq {LENGTH} --steps {options.steps + 1}",
                            f"--threads {options.threads} --warmup 0 --json", "--isa avx2" if options.avx2 else ""])
        result = run_child(["sh", "-c", f"exec {command} 2>{log}.err | tee {log} | tail -1"])
        with open(log) as f:
            events = [json.loads(line) for line in f]
    rates = [e["tokens_per_s"] for e in events if e["event"] == "step"][1:]
    done = events[-1]
    return {"tokens_per_s": statistics.median(rates), "peak_bytes": done["peak_bytes"]}


def compare(case, precision, options):
    peers = {"hone": run_hone, "torch": run_torch}
    runs = {name: [] for name in peers}
    for round_number in range(options.rounds):
        for name in list(peers) if round_number % 2 == 0 else reversed(peers):
            runs[name].append(peers[name](case, precision, options))
    row = {"case": f"LoRA {case} {precision}", **{name: spread(of) for name, of in runs.items()}}
    row["speed_ratio"] = row["hone"]["median"] / row["torch"]["median"]
    row["memory_ratio"] = row["hone"]["peak_bytes"] / row["torch"]["peak_bytes"]
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder of transformers' (default: one is made)")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each peer and case")
    parser.add_argument("--steps", type=int, default=4, help="timed steps of a process")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cases", default="attention:f32,attention:bf16,all:f32,all:bf16")
    parser.add_argument("--hone", default=os.path.join(ROOT, "build", "hone"), help="the program")
    parser.add_argument("--autocast", action="store_true", help="PyTorch's bf16 as autocast over f32 weights")
    parser.add_argument("--avx2", action="store_true", help="both as on a CPU without AVX-512")
    parser.add_argument("--json", action="store_true", help="one object a case and line")
    options = parser.parse_args()
    if options.avx2:
        os.environ.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", MKL_ENABLE_INSTRUCTIONS="AVX2")
    with tempfile.TemporaryDirectory() as folder:
        options.data = os.path.join(folder, "text.txt")
        with open(options.data, "w", encoding="utf-8") as f:
            f.write("".join(random.Random(0).choices("abcdefghij \n", k=200000)))
        if not options.model:
            options.model = os.path.join(folder, "model")
            make_model(options.model)
        for name in options.cases.split(","):
            case, precision = name.split(":")
            row = compare(case, precision, options)
            print(json.dumps(row), flush=True) if options.json else show(row)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        torch_child(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5] == "1", int(sys.argv[6]), int(sys.argv[7]))
    else:
        main()
