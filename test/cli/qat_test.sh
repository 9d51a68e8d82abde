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

expect 2 "2, 3, 4 or 8" train --model tiny --data text.txt --qat-bits 7 --out new
expect 2 "no bits" train --model tiny --data text.txt --qat-group 32 --out new
expect 2 "an adapter" train --model whole --data text.txt --seq 32 --qat-bits 4 --lora-rank 4 --out new
expect 2 "f32" train --model tiny --data text.txt --qat-bits 4 --precision bf16 --master bf16 --out new
"$hone" plan --model tiny --data text.txt --qat-bits 4 --json >line 2>err || fail "$(cat err)"
echo "quantization-aware training is as it should be"
