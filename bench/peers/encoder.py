#!/usr/bin/env python3
"""Times layers of an encoder in int8 by hone, ONNX Runtime and OpenVINO, in turns, each in a process of its own.

    pip install torch onnx onnxruntime openvino nncf
    python3 bench/peers/encoder.py [--rounds 3] [--isa avx2] [--peers onnxruntime,openvino,openvino-dynamic]

All run the layers of MiniLM's and BERT-base's shapes (post-norm, gelu, no mask), 32x128 and 1x32 tokens. The peers'
are built in torch and exported to ONNX. hone's activations have scales of each row, made as they come, and so do those of
  onnxruntime        onnxruntime.quantization.quantize_dynamic (a scale a tensor)
  openvino-dynamic   nncf.compress_weights to INT8_SYM, run with DYNAMIC_QUANTIZATION_GROUP_SIZE
while openvino has fixed ones, from nncf.quantize, which saw the very batch that is timed. `error` is each one's root mean
square distance from its own layers in f32, as a share of their states. --isa holds hone to an instruction set; the
others always take the best that the CPU has (with VNNI, that)."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHAPES = {"minilm": (6, 384, 12, 1536), "bert-base": (12, 768, 12, 3072)}  # layers, width, heads, feed-forward
DYNAMIC_GROUP = 128  # neighbours of a row of activations that share a scale, of OpenVINO


def torch_layers(layers, width, heads, feed_forward):
    import torch
    from torch import nn

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
            self.up, self.down = nn.Linear(width, feed_forward), nn.Linear(feed_forward, width)
            self.attention_norm, self.norm = nn.LayerNorm(width, 1e-12), nn.LayerNorm(width, 1e-12)

        def forward(self, x):
            b, t, _ = x.shape
            q, k, v = (y.view(b, t, heads, width // heads).transpose(1, 2)
                       for y in (self.query(x), self.key(x), self.value(x)))
            a = torch.softmax(q @ k.transpose(2, 3) / (width // heads) ** 0.5, -1) @ v
            x = self.attention_norm(x + self.output(a.transpose(1, 2).reshape(b, t, width)))
            return self.norm(x + self.down(nn.functional.gelu(self.up(x))))

    torch.manual_seed(0)
    model = nn.Sequential(*(Layer() for _ in range(layers))).eval()
    for name, p in model.named_parameters():
        if p.dim() == 2:
            nn.init.normal_(p, std=0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(p)
    return model


def for_onnxruntime(path, x):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(path + ".f32.onnx", path + ".onnx", weight_type=QuantType.QInt8)


def for_openvino(path, x):
    import nncf
    import openvino

    fixed = nncf.quantize(openvino.convert_model(path + ".f32.onnx"), nncf.Dataset([x.numpy()]), subset_size=1,
                          model_type=nncf.ModelType.TRANSFORMER)
    openvino.save_model(fixed, path + ".openvino.xml", compress_to_fp16=False)


def for_openvino_dynamic(path, x):
    import nncf
    import openvino

    weights = nncf.compress_weights(openvino.convert_model(path + ".f32.onnx"),
                                    mode=nncf.CompressWeightsMode.INT8_SYM)
    openvino.save_model(weights, path + ".openvino-dynamic.xml", compress_to_fp16=False)


EXPORTS = {"onnxruntime": for_onnxruntime, "openvino": for_openvino, "openvino-dynamic": for_openvino_dynamic}


def export(shape, batch, seq, folder, peers):
    """Leaves the peers' quantized models, a batch and what the f32 layers make of it."""
    import numpy
    import torch

    model = torch_layers(*SHAPES[shape])
    x = torch.randn(batch, seq, SHAPES[shape][1])
    path = os.path.join(folder, f"{shape}_{batch}x{seq}")
    torch.onnx.export(model, (x,), path + ".f32.onnx", input_names=["x"], output_names=["states"], opset_version=17,
                      dynamo=False)
    for peer in peers:
        EXPORTS[peer](path, x)
    os.remove(path + ".f32.onnx")
    with torch.inference_mode():
        numpy.savez(path + ".npz", x=x.numpy(), states=model(x).numpy())
    return path


def run_onnxruntime(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path + ".onnx", options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def run_openvino(path, threads, peer="openvino", more=None):
    import openvino

    compiled = openvino.Core().compile_model(f"{path}.{peer}.xml", "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", **(more or {})})
    request = compiled.create_infer_request()
    return lambda x: request.infer({0: x}, share_inputs=True, share_outputs=True)[0]


def run_openvino_dynamic(path, threads):
    return run_openvino(path, threads, "openvino-dynamic", {"DYNAMIC_QUANTIZATION_GROUP_SIZE": DYNAMIC_GROUP})


RUNS = {"onnxruntime": run_onnxruntime, "openvino": run_openvino, "openvino-dynamic": run_openvino_dynamic}


def child(peer, path, threads):
    import numpy

    states_of = RUNS[peer](path, threads)
    saved = numpy.load(path + ".npz")
    x = saved["x"]
    times = []
    begin = time.perf_counter()
    while len(times) < 6 or time.perf_counter() - begin < 1:
        start = time.perf_counter()
        states = states_of(x)
        times.append(time.perf_counter() - start)
    error = numpy.sqrt(((states - saved["states"]) ** 2).mean() / (saved["states"] ** 2).mean())
    print(json.dumps({"ms": {"median": 1e3 * statistics.median(times[1:])}, "error": float(error)}))


def result_of(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each peer and case")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--shapes", default="minilm,bert-base")
    parser.add_argument("--sizes", default="32x128,1x32", help="sequences x tokens")
    parser.add_argument("--peers", default=",".join(EXPORTS))
    parser.add_argument("--isa", default="", help="of hone")
    parser.add_argument("--precision", default="bf16", help="of hone's attention")
    parser.add_argument("--hone", default=os.path.join(ROOT, "build", "hone"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for shape in options.shapes.split(","):
            for batch, seq in (map(int, size.split("x")) for size in options.sizes.split(",")):
                own = [sys.executable, os.path.abspath(__file__)]
                subprocess.run([*own, "--export", shape, str(batch), str(seq), folder, options.peers], check=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                hone = [options.hone, "bench", "encode", "--model", shape, "--batch", str(batch), "--seq", str(seq),
                        "--int8", "--precision", options.precision, "--threads", str(options.threads), "--json"]
                commands = {"hone": hone + (["--isa", options.isa] if options.isa else [])}
                for peer in options.peers.split(","):
                    commands[peer] = [*own, "--child", peer, os.path.join(folder, f"{shape}_{batch}x{seq}"),
                                      str(options.threads)]
                runs = {peer: [] for peer in commands}
                for _ in range(options.rounds):
                    for peer, command in commands.items():
                        runs[peer].append(result_of(command))
                show(f"{shape} {batch}x{seq}", runs)


def show(case, runs):
    ms = {peer: [r["ms"]["median"] for r in rs] for peer, rs in runs.items()}
    median = {peer: statistics.median(values) for peer, values in ms.items()}
    share = statistics.median(r["share_of_limit"] for r in runs["hone"])
    print(f"{case}: " +
          "; ".join(f"{peer} {median[peer]:.2f} ms ({min(ms[peer]):.2f} to {max(ms[peer]):.2f}), error "
                    f"{100 * runs[peer][0]['error']:.2f} %" +
                    (f", {median[peer] / median['hone']:.2f}x hone's time" if peer != "hone" else "")
                    for peer in runs) +
          f"; hone at {100 * share:.0f} % of the int8 limit", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--export":
        export(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6].split(","))
    elif len(sys.argv) > 1 and sys.argv[1] == "--child":
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
