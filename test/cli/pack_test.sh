# pack_test.sh HONE: models packed without loss from outside: smaller, the same to every command, and what is refused.
. "$(dirname "$0")/common.sh"

"$hone" train --model tiny --data text.txt --out base --steps 4 --batch 4 --seq 32 --warmup 2 2>err || fail "base: $(cat err)"
"$hone" convert base half --type bf16 >/dev/null 2>err || fail "convert: $(cat err)"
"$hone" pack half packed --eval-data text.txt --max-eval-tokens 2000 --json >line 2>err || fail "pack: $(cat err)"
keys='^{"bytes":[0-9]*,"bits_a_weight":1[01]\.[0-9]*,"perplexity_before":\([0-9.]*\),"perplexity_after":\1,"kl":0,"flipped":0,"seconds":'
grep -q "$keys" line || fail "keys: $(cat line)"
bytes=$(sed 's/{"bytes":\([0-9]*\).*/\1/' line)
[ "$bytes" = "$(wc -c <packed/model.safetensors.packed)" ] || fail "bytes: $(cat line)"
[ $((bytes * 100)) -le $(($(wc -c <half/model.safetensors) * 70)) ] || fail "$bytes bytes are more than 0.7"
grep -q "% of the bytes" err || fail "said $(cat err)"

[ "$("$hone" hash packed)" = "$("$hone" hash half)" ] || fail "another model"
[ "$("$hone" generate packed --prompt line -n 8 --temperature 0)" = "$("$hone" generate half --prompt line -n 8 --temperature 0)" ] ||
  fail "another text"
"$hone" inspect packed | grep -q BF16 || fail "inspect"
"$hone" inspect packed/model.safetensors.packed | grep -q BF16 || fail "inspect of the file"
"$hone" train --model packed --data text.txt --out further --steps 1 --batch 4 --seq 32 --warmup 0 2>err || fail "train: $(cat err)"
"$hone" pack packed again --unpack >/dev/null 2>err || fail "unpack: $(cat err)"
cmp -s half/model.safetensors again/model.safetensors || fail "unpacked, other bytes"

expect 2 "holds a model" pack half packed
expect 2 "never changed" pack half half
expect 3 "no such file" pack nowhere new
"$hone" convert half half.gguf --type f16 >/dev/null 2>&1 && expect 3 "GGUF" pack half.gguf new
head -c 3000 packed/model.safetensors.packed >cut && mv cut packed/model.safetensors.packed
expect 3 "model.safetensors" pack packed new
echo "packed models are as they should be"
