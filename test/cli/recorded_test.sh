#!/bin/sh
# The bits of trainings as they were recorded: weights, generated text and printed programs of GPT-2 in f32 and bf16.
# Who changes one on purpose records it anew, here, and says why in the commit; a note in CHANGELOG.md tells users.
# usage: recorded_test.sh HONE
. "$(dirname "$0")/common.sh"

cat >config.json <<'END'
{"model_type": "gpt2", "n_layer": 2, "n_head": 3, "n_embd": 51, "n_positions": 64, "vocab_size": 256,
 "embd_pdrop": 0.1, "attn_pdrop": 0.1, "resid_pdrop": 0.1}
END

# recorded MODEL PRECISION ISA TIED WEIGHTS TEXT PROGRAMS: digests; TEXT of 20 greedy tokens, PROGRAMS of what is planned
recorded() {
  model=$1 precision=$2 isa=$3
  run="--model $model --data text.txt --tokenizer byte --batch 8 --micro-batch 3 --seq 32 --precision $precision
    --isa $isa --threads 2 --seed 3 --steps 6 --warmup 2"
  if ! "$hone" plan $run >/dev/null 2>err.log; then
    grep -q "lacks the instruction set" err.log || fail "plan: $(cat err.log)"
    echo "skipped: this CPU has no $isa" >&2
    return
  fi
  rm -rf out
  weights=$("$hone" train $run --out out --json 2>/dev/null | hash_of)
  text=$("$hone" generate out --prompt line -n 20 --temperature 0 --precision "$precision" --isa "$isa" \
    2>/dev/null | cksum | cut -d' ' -f1)
  programs=$("$hone" plan $run --print-programs 2>/dev/null | grep -E '^(input|parameter|state|%|output|#)' |
    cksum | cut -d' ' -f1)
  found="$weights $text $programs"
  [ "$found" = "$4 $5 $6" ] || fail "$model $precision $isa: recorded $4 $5 $6, found $found"
}

recorded config.json f32 avx2 5126d7cb62019535d265e968f9f64949 2724471430 2566269723
recorded config.json bf16 avx2 cc006323f46d3dc90ce2451a470aa51f 2724471430 1454363020
recorded config.json bf16 avx512_bf16 1e10e1d7f8573409458505a2cef9f556 2724471430 326127108
recorded tiny f32 avx2 a248bca5c23860946a827370ae6ec175 1999754079 225380651
recorded tiny bf16 avx2 4bbd0cf41bf57b392a6a785c548f05ba 1999754079 2103954723
recorded tiny bf16 avx512_bf16 3d565e600b08bc531d8bccca5bc2e89e 1999754079 817868062
