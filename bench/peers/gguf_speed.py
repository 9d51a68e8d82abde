#!/usr/bin/env python3
"""Times a GGUF model by hone and by llama.cpp, one after the other in rounds, each in its own process: tokens a second
of a prompt and of the tokens behind it.

    pip install llama-cpp-python
    python3 bench/peers/gguf_speed.py MODEL.gguf [--rounds 5] [--prompt-tokens 128] [--tokens 64] [--isa avx2]

--isa is hone's; llama-cpp-python has the instruction sets that it was compiled for, which it prints: for AVX2 beside
AVX2 install one compiled with CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON" elsewhere
and name its Python with --python."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def llama_child(path, threads, prompt_tokens, tokens):
    import llama_cpp

    model = llama_cpp.Llama(path, n_ctx=prompt_tokens + tokens + 1, n_batch=512, n_threads=threads,
                            n_threads_batch=threads, verbose=False)
    prompt = [1] * prompt_tokens
    model.eval(prompt)  # to warm up
    prefill, decode = [], []
    for _ in range(5):
        model.reset()
        start = time.perf_counter()
        model.eval(prompt)
        prefill.append(prompt_tokens / (time.perf_counter() - start))
        start = time.perf_counter()
        for _ in range(tokens):
            model.eval([1])
        decode.append(tokens / (time.perf_counter() - start))
    print(json.dumps({"prefill": statistics.median(prefill), "decode": statistics.median(decode),
                      "system": llama_cpp.llama_print_system_info().decode()}))


def run(command):
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", default="f32,bf16", help="of hone's products")
    parser.add_argument("--isa", default="", help="of hone")
    parser.add_argument("--hone", default=os.path.join(ROOT, "build", "hone"))
    parser.add_argument("--python", default=sys.executable, help="one that has llama_cpp")
    o = parser.parse_args()
    sizes = [str(o.prompt_tokens), str(o.tokens)]
    figures = {}
    for _ in range(o.rounds):
        for precision in o.precision.split(","):
            command = [o.hone, "bench", "decode", "--model", o.model, "--precision", precision, "--threads",
                       str(o.threads), "--prompt-tokens", sizes[0], "--tokens", sizes[1], "--json"]
            done = run(command + (["--isa", o.isa] if o.isa else []))
            figures.setdefault("hone " + precision, []).append(
                (done["prefill_tokens_per_s"]["median"], done["decode_tokens_per_s"]["median"]))
        done = run([o.python, os.path.abspath(__file__), "--child", o.model, str(o.threads), *sizes])
        system = done["system"]
        figures.setdefault("llama.cpp", []).append((done["prefill"], done["decode"]))
    print(system)
    for name, rounds in figures.items():
        for i, what in enumerate(["prefill", "decode"]):
            values = [r[i] for r in rounds]
            print(f"{name:10} {what:8} {statistics.median(values):8.1f} tok/s (from {min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        llama_child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
