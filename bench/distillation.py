#!/usr/bin/env python3
"""What a teacher is worth: a 4-layer student beside the same student trained alone, for the same steps, on characters.

    ./dev build && python3 bench/distillation.py --data tinyshakespeare.txt [--width 384] [--steps 300] [--seeds 3] [--alphas 0.5,0.9]

A teacher of 6 layers is trained first (nano where --width is 384), longer than the students. Students of one seed begin with the same
weights and read the same batches, with the same schedule; the last line takes four of the teacher's own layers as a beginning. Losses are
of the text's last tenth, nats a character. Runs that are there already, in --work, are not run again."""
import argparse
import json
import os
import re
import statistics
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(args, name, command):
    """The last validation loss of a run, which is done where --work has no record of it."""
    log = os.path.join(args.work, name + ".log")
    shared = ["--data", args.data, "--tokenizer", "char", "--batch", "16", "--seq", "64", "--optimizer", "muon", "--lr", "6e-3",
              "--adamw-lr", "2e-3", "--beta2", "0.98", "--schedule", "linear", "--warmup", "10", "--weight-decay", "0.05",
              "--resume", "never"]
    if not os.path.exists(log):
        with open(log + ".part", "w") as f:
            subprocess.run([args.hone, *command, *shared, *args.extra], stdout=subprocess.DEVNULL, stderr=f, check=True)
        os.rename(log + ".part", log)
    return float(re.findall(r"validation loss ([0-9.]+)", open(log).read())[-1])


def config(args, layers):
    path = os.path.join(args.work, f"layers-{layers}.json")
    with open(path, "w") as f:
        json.dump({"model_type": "gpt2", "n_layer": layers, "n_head": max(1, args.width // 64), "n_embd": args.width, "n_positions": 64,
                   "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}, f)
    return path


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--width", type=int, default=384, help="of teacher and student")
    p.add_argument("--steps", type=int, default=300, help="of a student")
    p.add_argument("--teacher-steps", type=int, default=900)
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--alphas", default="0.5,0.9", help="the teacher's share of the loss")
    p.add_argument("--hone", default=os.path.join(ROOT, "build", "hone"))
    p.add_argument("--work", default="out/distillation")
    p.add_argument("extra", nargs="*", help="behind --: options of every run")
    args = p.parse_args()
    os.makedirs(args.work, exist_ok=True)
    folder = lambda name: os.path.join(args.work, name)
    teacher = folder("teacher")
    loss = run(args, "teacher", ["train", "--model", config(args, 6), "--out", teacher, "--steps", str(args.teacher_steps), "--seed", "0"])
    print(f"teacher, 6 layers of {args.width}, {args.teacher_steps} steps: {loss:.4f}", flush=True)
    student = config(args, 4)
    steps = ["--steps", str(args.steps)]
    settings = {"alone": ["train", "--model", student]}
    for alpha in args.alphas.split(","):
        settings[f"distilled, alpha {alpha}"] = ["distill", teacher, "--student", student, "--alpha", alpha]
    settings["of the teacher's layers"] = ["distill", teacher, "--student", "layers=4", "--alpha", args.alphas.split(",")[0]]
    alone = []
    for label, command in settings.items():
        losses = []
        for seed in range(args.seeds):
            name = label.replace(", ", "-").replace(" ", "-").replace("'", "") + f"-{seed}"
            out = [folder(name)] if command[0] == "distill" else ["--out", folder(name)]
            made = command[:2] + out + command[2:] if command[0] == "distill" else command + out
            losses.append(run(args, name, [*made, *steps, "--seed", str(seed + 1)]))
        alone = alone or losses
        gain = statistics.mean(alone) - statistics.mean(losses)
        print(f"{label:28} {statistics.mean(losses):.4f}  ({', '.join(f'{x:.4f}' for x in losses)})  {gain:+.4f} nats below alone", flush=True)


if __name__ == "__main__":
    main()
