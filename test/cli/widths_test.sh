# widths_test.sh HONE: a model whose rows no group divides, 100 and 180 wide, in few bits from outside.
. "$(dirname "$0")/common.sh"

cat >config.json <<'END'
{"model_type": "llama", "vocab_size": 256, "hidden_size": 100, "intermediate_size": 180, "num_hidden_layers": 2,
 "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
 "rope_theta": 10000.0, "tie_word_embeddings": false}
END
"$hone" train --model config.json --tokenizer byte --data text.txt --out base --steps 60 --batch 4 --seq 32 --warmup 2 --lr 5e-3 2>err || fail "base: $(cat err)"
number() { sed -n "s/.*\"$1\":\([0-9.e-]*\).*/\1/p" "$2"; }

for bits in 8 4 3 2; do
  "$hone" quantize base q$bits --bits $bits --table-bits $bits --eval-data text.txt --max-eval-tokens 1000 --json >line 2>err || fail "$bits bits: $(cat err)"
  grep -q "the last one of each row filled up" err || fail "$bits bits: said $(cat err)"
  grep -Eq "q${bits}_g64:100\"" q$bits/config.json || fail "$bits bits: $(cat q$bits/config.json)"
  # rows of 100 and 180 in groups of 64: 128 and 192 codes, and f16 numbers of two and three groups
  awk -v is="$(number bits_a_weight line)" -v bits=$bits 'BEGIN { exit !(is > bits && is < 1.5 * bits + 1.3) }' || fail "$bits bits: $(cat line)"
  "$hone" inspect q$bits >tensors 2>err || fail "inspect: $(cat err)"
  grep -Eq "down_proj.weight  *q${bits}_g64 .*100,180" tensors || fail "inspect: $(cat tensors)"
  "$hone" eval q$bits --data text.txt --max-tokens 500 >/dev/null 2>err || fail "eval: $(cat err)"
  "$hone" generate q$bits --prompt "line 7" -n 8 --temperature 0 >said 2>err || fail "generate: $(cat err)"
  "$hone" convert q$bits wide$bits >/dev/null 2>err || fail "convert: $(cat err)"
  [ "$("$hone" hash wide$bits)" = "$("$hone" hash q$bits)" ] || fail "$bits bits: other numbers in f32"
  "$hone" pack q$bits packed$bits >/dev/null 2>err || fail "pack: $(cat err)"
  [ "$("$hone" hash packed$bits)" = "$("$hone" hash q$bits)" ] || fail "$bits bits: other numbers when packed"
  "$hone" generate packed$bits --prompt "line 7" -n 8 --temperature 0 >again 2>err || fail "generate: $(cat err)"
  cmp said again || fail "$bits bits: another text when packed"
  [ $bits != 8 ] || awk -v a="$(number perplexity_before line)" -v b="$(number perplexity_after line)" 'BEGIN { exit !(b < 1.01 * a) }' || fail "8 bits lost: $(cat line)"
done

# GGUF's rows are whole groups: those of its own that fit, else 16 bits
"$hone" quantize base q4.gguf --bits 4 >out 2>err || fail "gguf: $(cat err)"
grep -q "stay in bf16" err && grep -q "nothing is quantized" err || fail "gguf: said $(cat err)"
"$hone" inspect q4.gguf | grep -Eq "ffn_down.weight  *BF16" || fail "gguf: $("$hone" inspect q4.gguf)"
"$hone" convert q4 dense.gguf >out 2>&1 || fail "gguf: $(cat out)"
grep -q "f16 instead of q4_1: rows of 180 are no multiple of 32" out || fail "gguf: said $(cat out)"

# an adapter learns over it
"$hone" train --model q4 --data text.txt --out adapter --lora-rank 2 --steps 4 --batch 4 --seq 32 --warmup 0 --json >lines 2>err || fail "lora: $(cat err)"

# damaged: less than the header says, rows of another width
size=$(wc -c <q4/model.safetensors)
cp -r q4 short && head -c $((size - 40)) q4/model.safetensors >short/model.safetensors
expect 3 "cut short" eval short --data text.txt
cp -r q4 other && sed 's/q4_g64:180/q4_g64:190/' q4/config.json >other/config.json
expect 3 "rows of 190" hash other
echo "rows of any width have few bits"
