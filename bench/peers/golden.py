#!/usr/bin/env python3
"""Writes small reference models of Transformers with the numbers of one batch, for `hone verify`.

    bench/peers/golden.py OUT [NAME ...]

Each OUT/NAME is a model folder with random weights and golden.safetensors: out.logits, loss, every gradient,
and ten losses of AdamW (lr 1e-3, betas 0.9 0.95, eps 1e-8, decay 0.1 on everything, clipped at 1), in f32.
The folders of test/data/models are made by it.
"""
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

SIZES = dict(vocab_size=96, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.08)
# What each adds: the traps of its family, so that none of them is at its default everywhere.
MODELS = {
    "llama": dict(model_type="llama", tie_word_embeddings=False, attention_bias=True, mlp_bias=True, head_dim=12,
                  rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0,
                                       high_freq_factor=4.0, original_max_position_embeddings=16)),
    "llama_tied": dict(model_type="llama", tie_word_embeddings=True, rope_parameters=dict(
        rope_type="linear", rope_theta=10000.0, factor=2.0)),
    "llama_yarn": dict(model_type="llama", num_key_value_heads=4, rope_parameters=dict(
        rope_type="yarn", rope_theta=1000.0, factor=4.0, original_max_position_embeddings=16)),
    "llama_longrope": dict(model_type="llama", num_key_value_heads=1, rope_parameters=dict(
        rope_type="longrope", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16,
        short_factor=[1.0, 1.1, 1.2, 1.3], long_factor=[1.0, 2.0, 3.0, 4.0])),
    "qwen2": dict(model_type="qwen2", tie_word_embeddings=True, use_sliding_window=True, sliding_window=7,
                  max_window_layers=1, rope_parameters=dict(rope_type="default", rope_theta=1000000.0)),
    "qwen3": dict(model_type="qwen3", head_dim=16, tie_word_embeddings=False),
    "gemma3_text": dict(model_type="gemma3_text", pad_token_id=None, head_dim=12, num_key_value_heads=1, num_hidden_layers=3,
                        query_pre_attn_scalar=20, sliding_window=6, final_logit_softcapping=3.0,
                        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                        rope_parameters=dict(
                            sliding_attention=dict(rope_type="default", rope_theta=100.0),
                            full_attention=dict(rope_type="linear", rope_theta=50000.0, factor=8.0))),
    "mistral": dict(model_type="mistral", head_dim=12, sliding_window=5),
    "olmo2": dict(model_type="olmo2", pad_token_id=None, attention_bias=True, rms_norm_eps=1e-3),
}
BATCH, LENGTH, STEPS = 2, 24, 10
PADDED = {"llama_tied": 7}  # positions at the end of the last row that are padding


def make(name, **changes):
    """A model of that name with random weights."""
    values = {**SIZES, **MODELS[name], **changes}
    torch.manual_seed(sum(map(ord, name)))
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**values), attn_implementation="eager").float()
    with torch.no_grad():
        for parameter in model.parameters():  # norms and biases that are not neutral show their places
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def write_golden(model, path, padding=0):
    ids = torch.randint(0, model.config.vocab_size, (BATCH, LENGTH))
    labels = ids.clone()
    labels[:, :3] = -100
    inputs = {"input_ids": ids, "labels": labels}
    if padding:
        mask = torch.ones_like(ids)
        mask[-1, -padding:] = 0
        labels[-1, -padding:] = -100
        inputs["attention_mask"] = mask
    out = model(**inputs)
    out.loss.backward()
    golden = {**{"in." + key: value for key, value in inputs.items()}, "out.logits": out.logits.detach(), "loss": out.loss.detach()}
    for key, parameter in model.named_parameters():
        golden["grad." + key] = parameter.grad.clone()
    golden["losses"] = losses(model, inputs)
    save_file({k: v.contiguous() for k, v in golden.items()}, path)


def losses(model, inputs):
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    found = []
    for _ in range(STEPS):
        adamw.zero_grad()
        loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        found.append(loss.item())
    return torch.tensor(found)


def main():
    out, names = Path(sys.argv[1]), sys.argv[2:] or list(MODELS)
    for name in names:
        model = make(name)
        model.save_pretrained(out / name)
        write_golden(model, out / name / "golden.safetensors", PADDED.get(name, 0))
        print(name)


if __name__ == "__main__":
    main()
