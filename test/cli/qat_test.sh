# qat_test.sh HONE: quantization-aware training from the command line: resumed it is the same run, another one is refused, and
# hone quantize makes what its validation saw.
. "$(dirname "$0")/common.sh"

run="train --model tiny --data text.txt --batch 4 --seq 32 --schedule constant --warmup 0 --lr 0.003 --qat-bits 3 --qat-group 32"
"$hone" $run --steps 12 --out whole >/dev/null 2>err || fail "$(cat err)"
grep -q "hone quantize whole SMALLER --bits 3 --group 32 --table-bits 8" err || fail "said $(cat err)"
"$hone" $run --steps 6 --out parts >/dev/null 2>err || fail "$(cat err)"
expect 2 "qat-bits" train --model tiny --data text.txt --batch 4 --seq 32 --schedule constant --warmup 0 --lr 0.003 --steps 12 --out parts
expect 2 "qat-bits" $run --qat-table-bits 4 --steps 12 --out parts
"$hone" $run --steps 12 --out parts >/dev/null 2>err || fail "$(cat err)"
[ "$("$hone" hash whole)" = "$("$hone" hash parts)" ] || fail "resumed it is another run"

# the weights behind the codes are not what was learned through; the codes are
"$hone" quantize whole small --bits 3 --group 32 --table-bits 8 >/dev/null 2>err || fail "$(cat err)"
[ "$("$hone" hash whole)" != "$("$hone" hash small)" ] || fail "nothing was rounded"


# a model that there is, healed by a recipe that plan knows too: what validation read is what the codes say, up to what their products
# round (activations in eight bits), and far from what the weights behind say
"$hone" train --model tiny --data text.txt --out base --steps 40 --batch 4 --seq 32 --warmup 2 --lr 5e-3 2>err || fail "base: $(cat err)"
how="--data text.txt --batch 4 --seq 32 --warmup 0 --lr 0.001 --steps 8 --qat-bits 2 --qat-group 32 --json"
printf 'model = "base"\ndata = "text.txt"\nout = "healed"\nbatch = 4\nseq = 32\nwarmup = 0\nlr = 1e-3\nsteps = 8\nqat-bits = 2\nqat-group = 32\n' >run.toml
"$hone" plan run.toml >/dev/null 2>err || fail "plan: $(cat err)"
"$hone" train run.toml --json >lines 2>err || fail "heal: $(cat err)"
"$hone" quantize healed two --bits 2 --group 32 >/dev/null 2>err || fail "$(cat err)"
loss_of() { "$hone" eval "$1" --data text.txt --held-out --seq 32 --json | sed -n 's/.*"loss":\([0-9.]*\).*/\1/p'; }
validation=$(tail -1 lines | sed -n 's/.*"val_loss":\([0-9.]*\).*/\1/p')
awk -v a="$validation" -v b="$(loss_of two)" -v c="$(loss_of healed)" 'BEGIN { exit !((a - b) ^ 2 < 4e-6 && (a - b) ^ 2 < 0.04 * (a - c) ^ 2) }' ||
  fail "validation $validation, in codes $(loss_of two), behind them $(loss_of healed)"
"$hone" train --model base --out again $how --micro-batch 1 --threads 1 --memory 1GiB >lines 2>err || fail "again: $(cat err)"
[ "$(tail -1 lines | hash_of)" = "$("$hone" hash healed)" ] || fail "in other pieces it is another run"
"$hone" distill base taught --student base $how >lines 2>err || fail "distill: $(cat err)"
[ "$(hash_of <lines)" != "$("$hone" hash healed)" ] || fail "the teacher taught nothing"

expect 2 "2, 3, 4 or 8" train --model tiny --data text.txt --qat-bits 7 --out new
expect 2 "no bits" train --model tiny --data text.txt --qat-group 32 --out new
expect 2 "an adapter" train --model whole --data text.txt --seq 32 --qat-bits 4 --lora-rank 4 --out new
expect 2 "f32" train --model tiny --data text.txt --qat-bits 4 --precision bf16 --master bf16 --out new
"$hone" plan --model tiny --data text.txt --qat-bits 4 --json >line 2>err || fail "$(cat err)"
echo "quantization-aware training is as it should be"
