"""Makes test/data/adapters/NAME: an adapter by PEFT on one of the models in test/data/models, and golden.safetensors, what
PyTorch computes with it: logits, loss, gradients of the adapter's weights, the losses of ten AdamW steps and the weights
behind them (the same steps as hone verify does).

    python bench/peers/lora_golden.py test/data/models/gpt2 test/data/adapters/gpt2 --targets c_attn,c_proj --patterns
"""

import argparse
import json
import os

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("out")
    p.add_argument("--targets", required=True, help="a,b or all-linear or, with --regex, one expression")
    p.add_argument("--regex", action="store_true")
    p.add_argument("--rank", type=int, default=4)
    p.add_argument("--alpha", type=float, default=8)
    p.add_argument("--rslora", action="store_true")
    p.add_argument("--patterns", action="store_true", help="other ranks and alphas for some modules")
    return p.parse_args()


def main():
    a = arguments()
    torch.manual_seed(5)
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32)
    targets = a.targets if a.regex or a.targets == "all-linear" else a.targets.split(",")
    patterns = {"rank_pattern": {"mlp.c_proj": 2}, "alpha_pattern": {r"h\.1\.attn\.c_proj": 5}} if a.patterns else {}
    config = LoraConfig(r=a.rank, lora_alpha=a.alpha, target_modules=targets, use_rslora=a.rslora,
                        task_type="CAUSAL_LM", **patterns)
    model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.eval()  # no dropout
    os.makedirs(a.out, exist_ok=True)
    model.save_pretrained(a.out)
    os.remove(os.path.join(a.out, "README.md"))
    config_path = os.path.join(a.out, "adapter_config.json")
    with open(config_path) as f:
        saved = json.load(f)
    saved["base_model_name_or_path"] = os.path.relpath(a.model, a.out)
    saved["target_modules"] = saved["target_modules"] if a.regex else sorted(saved["target_modules"])
    with open(config_path, "w") as f:
        json.dump(saved, f, indent=2, sort_keys=True)
        f.write("\n")

    vocab = model.config.vocab_size
    ids = torch.randint(0, vocab, (2, 20))
    labels = ids.clone()
    labels[1, 13:] = -100
    golden = {"in.input_ids": ids, "in.labels": labels}
    trained = [(n.replace(".default", ""), p) for n, p in model.named_parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW([p for _, p in trained], lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    losses = []
    for step in range(10):
        optimizer.zero_grad()
        out = model(input_ids=ids, labels=labels)
        out.loss.backward()
        if step == 0:
            golden["out.logits"], golden["loss"] = out.logits.detach(), out.loss.detach().reshape(1)
            golden.update({"grad." + n: p.grad.clone() for n, p in trained})
        losses.append(out.loss.item())
        torch.nn.utils.clip_grad_norm_([p for _, p in trained], 1.0)
        optimizer.step()
    golden["losses"] = torch.tensor(losses)
    golden.update({"after." + n: p.detach() for n, p in trained})
    save_file({n: t.contiguous() for n, t in golden.items()}, os.path.join(a.out, "golden.safetensors"))


main()
