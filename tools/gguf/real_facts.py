"""What llama.cpp computes of SmolLM2-135M-Instruct, Q4_1, for the tests with the label real: ids of greedy texts with how
far ahead the best logit was, and the perplexity of a text. Needs llama-cpp-python (made with 0.3.36) and numpy.

python3 tools/gguf/real_facts.py SmolLM2-135M-Instruct.Q4_1.gguf TEXT TOKENS > test/data/real/smollm2-135m-q4_1.json
"""
import json
import sys

import llama_cpp
import numpy

PROMPTS = [
    "The capital of France is", "Once upon a time, there was a little girl who", "def fibonacci(n):\n",
    "The three primary colours are", "Water boils at", "In 1969, the first man", "import numpy as np\n\n",
    "Dear Sir or Madam,", "The recipe for a good bread is simple:", "The mitochondria is", "To be, or not to be,",
    "List of the planets of the solar system:\n1.", "Shakespeare was born in", "The opposite of hot is",
    "A prime number is a number that", "The French Revolution began in", "My favourite book is",
    "<|im_start|>user\nWhat is gravity?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nWrite a haiku about rain.<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>system\nYou answer briefly.<|im_end|>\n<|im_start|>user\nName two rivers in Europe.<|im_end|>\n"
    "<|im_start|>assistant\n",
]
NEW_TOKENS, WINDOW = 64, 512

path, text, tokens = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = llama_cpp.Llama(path, n_ctx=WINDOW, n_batch=WINDOW, n_threads=2, n_threads_batch=2, logits_all=True, verbose=False)
texts = []
for prompt in PROMPTS:
    ids = model.tokenize(prompt.encode(), add_bos=False, special=True)
    model.reset()
    model.eval(ids)
    written, margins = [], []
    for _ in range(NEW_TOKENS):
        logits = numpy.array(model.scores[model.n_tokens - 1])
        best, second = numpy.argsort(-logits, kind="stable")[:2]
        written.append(int(best))
        margins.append(round(float(logits[best] - logits[second]), 4))
        if len(written) < NEW_TOKENS:
            model.eval([int(best)])
    texts.append({"prompt": prompt, "prompt_ids": ids, "ids": written, "margins": margins})

ids = model.tokenize(open(text, "rb").read(), add_bos=False, special=False)[:tokens + 1]
total = 0.0
for first in range(0, len(ids) - 1, WINDOW):
    window = ids[first:first + WINDOW + 1]
    model.reset()
    model.eval(window[:-1])
    logits = numpy.array(model.scores[:len(window) - 1], dtype=numpy.float64)
    most = logits.max(axis=1, keepdims=True)
    log_sum = most[:, 0] + numpy.log(numpy.exp(logits - most).sum(axis=1))
    total += float((log_sum - logits[numpy.arange(len(window) - 1), window[1:]]).sum())
print(json.dumps({"source": "llama-cpp-python " + llama_cpp.__version__ + ", tools/gguf/real_facts.py",
                  "texts": texts, "window": WINDOW, "predicted": len(ids) - 1,
                  "perplexity": float(numpy.exp(total / (len(ids) - 1)))}))
