#!/usr/bin/env python3
"""Validation curves of a model by precision and by optimizer, over seeds, as one picture: doc/curves.svg.

    ./dev build && python3 bench/curves.py --data tinyshakespeare.txt [--model nano] [--steps 500] [--seeds 3] [--only muon,bf16] [--draw]

Each setting is a `hone train` of its own; the picture has the mean over seeds, the table (stdout) the end of each, its spread, and in how many
steps it was where AdamW in f32 ends. Runs that are there already, in --work, are not run again: a day's worth may be had in pieces."""
import argparse
import json
import os
import statistics
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SETTINGS = {  # label: options beside what all share
    "adamw f32": [],
    "adamw bf16": ["--precision", "bf16"],
    "adamw fp16": ["--precision", "fp16"],
    "adamw bf16, bf16 weights": ["--precision", "bf16", "--master", "bf16"],
    "adamw8bit f32": ["--optimizer", "adamw8bit"],
    "adafactor f32": ["--optimizer", "adafactor"],
    "lion f32": ["--optimizer", "lion", "--lr", "2e-4", "--weight-decay", "0.5"],
    "muon f32": ["--optimizer", "muon", "--lr", "4e-3"],
    "muon f32, 0.7 of the steps": ["--optimizer", "muon", "--lr", "4e-3", "--steps", "0.7"],
    "sgd f32": ["--optimizer", "sgd", "--lr", "0.1"],
}
COLORS = ["#17becf", "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22"]


def curve(args, label, seed):
    """Validation losses by step."""
    name = label.replace(", ", "-").replace(" ", "-") + f"-{seed}"
    log = os.path.join(args.work, name + ".jsonl")
    if not os.path.exists(log) and args.draw:
        return None
    if not os.path.exists(log):
        shared = ["--model", args.model, "--data", args.data, "--tokenizer", "char", "--steps", str(args.steps), "--lr", "1e-3",
                  "--warmup", str(max(1, args.steps // 10)), "--eval-every", str(max(1, args.steps // 5)), "--seed", str(seed)]
        # An option of the setting stands in for the shared one of its name.
        own = SETTINGS[label]
        for i in range(0, len(own), 2):
            if own[i] in shared:
                at = shared.index(own[i])
                del shared[at:at + 2]
        if "--steps" in own:  # a share of the others' steps
            own = own[:-1] + [str(round(float(own[-1]) * args.steps))]
        command = [args.hone, "train", "--json", "--out", os.path.join(args.work, name), "--resume", "never", *shared, *own, *args.extra]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        with open(log, "w") as f:
            f.write(done.stdout)
    points = {}
    for line in open(log):
        event = json.loads(line)
        if "val_loss" in event:
            points[event.get("step", event.get("steps"))] = event["val_loss"]
    return points


def picture(curves, steps):
    """An SVG of the means; steps to the right, nats a character up."""
    width, height, left, top, legend = 960, 540, 60, 40, 280
    all_losses = [loss for points in curves.values() for loss in points.values()]
    low, high = min(all_losses) - 0.02, min(max(all_losses), min(all_losses) + 1.2)

    def place(step, loss):
        x = left + (width - left - legend) * step / steps
        return f"{x:.1f},{top + (height - top - 60) * (high - min(loss, high)) / (high - low):.1f}"

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
             f'<rect width="{width}" height="{height}" fill="white"/>']
    for i in range(6):
        loss, step = low + (high - low) * i / 5, steps * i / 5
        parts.append(f'<text x="8" y="{place(0, loss).split(",")[1]}">{loss:.2f}</text>')
        parts.append(f'<text x="{place(step, low).split(",")[0]}" y="{height - 38}">{step:.0f}</text>')
    parts += [f'<text x="8" y="20">validation loss, nats a character</text>',
              f'<text x="{(left + width - legend) / 2:.0f}" y="{height - 12}">steps</text>']
    for i, (label, points) in enumerate(curves.items()):
        line = " ".join(place(step, loss) for step, loss in sorted(points.items()))
        color = COLORS[i % len(COLORS)]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.6"/>')
        parts.append(f'<text x="{width - legend + 10}" y="{top + 20 * (i + 1)}" fill="{color}">{label} {points[max(points)]:.3f}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--model", default="nano")
    p.add_argument("--steps", type=int, default=500)
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--only", default="", help="parts of labels, by commas")
    p.add_argument("--draw", action="store_true", help="run nothing, draw what is there")
    p.add_argument("--hone", default=os.path.join(ROOT, "build", "hone"))
    p.add_argument("--work", default="out/curves")
    p.add_argument("--picture", default=os.path.join(ROOT, "doc", "curves.svg"))
    p.add_argument("extra", nargs="*", help="behind --: options of every run")
    args = p.parse_args()
    os.makedirs(args.work, exist_ok=True)
    wanted = [w for w in args.only.split(",") if w]
    curves, ends = {}, {}
    for label in SETTINGS:
        if wanted and not any(w in label for w in wanted):
            continue
        runs = [run for run in (curve(args, label, seed) for seed in range(args.seeds)) if run]
        if not runs:
            continue
        curves[label] = {step: statistics.mean(run[step] for run in runs) for step in runs[0]}
        ends[label] = [run[max(run)] for run in runs]
    goal = curves.get("adamw f32", {}).get(args.steps)
    for label, points in curves.items():
        reached = next((step for step, loss in sorted(points.items()) if goal is not None and loss <= goal), None)
        spread = max(ends[label]) - min(ends[label])
        print(f"{label:28} {statistics.mean(ends[label]):.4f}  {len(ends[label])} seeds, spread {spread:.4f}  AdamW's end at step {reached}")
    with open(args.picture, "w") as f:
        f.write(picture(curves, args.steps))


if __name__ == "__main__":
    main()
