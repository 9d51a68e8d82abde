#!/bin/sh
# Each mistake gets its exit code, a message of a few lines that says what matters, and leaves nothing behind.
# usage: bad_input_test.sh HONE
. "$(dirname "$0")/common.sh"

# expect CODE WORDS COMMAND...: WORDS is a basic regular expression that stderr must match
expect() {
  code=$1 words=$2
  shift 2
  found=0
  "$hone" "$@" >out.log 2>err.log || found=$?
  [ "$found" = "$code" ] || fail "hone $*: exit $found, expected $code: $(cat err.log)"
  grep -q -- "$words" err.log || fail "hone $*: '$words' is not in: $(cat err.log)"
  [ "$(grep -c '^hone:' err.log)" = 1 ] || fail "hone $*: not one message: $(cat err.log)"
}
train() {
  code=$1 words=$2
  shift 2
  expect "$code" "$words" train --out new "$@"
  [ ! -e new ] || fail "hone train $*: left a folder behind"
}

: >empty.txt
head -c 2000 text.txt >small.txt
config() { echo '{"model_type":"gpt2","n_layer":2,"n_head":4,"n_embd":64,"n_positions":64,"vocab_size":256'"$1"'}' >config.json; }

expect 2 "did you mean train" trian
expect 2 "did you mean --data" train --dta text.txt
expect 2 "out is required" train --data text.txt
train 2 "did you mean 'nano'" --model nan0 --data text.txt
train 2 "steps" --data text.txt --steps many
train 2 "precision.*f32 or bf16" --data text.txt --precision bf17
train 2 "micro-batch" --model tiny --data text.txt --seq 64 --micro-batch 99
for value in -1 1.5 0x10 1e3 18446744073709551616; do train 2 "seed" --data text.txt --seed $value; done
for value in -3 2.5 99999999999999999999; do train 2 "steps" --data text.txt --steps $value; done
for option in lr min-lr clip weight-decay beta1 beta2 dropout; do
  for value in nan inf -inf 1e39 1e-60 x; do train 2 "$option" --data text.txt --$option $value; done
done
train 2 "dropout" --data text.txt --dropout -1
train 2 "batch is too large" --model tiny --data text.txt --seq 64 --batch 9223372036854775807
train 2 "min-lr" --data text.txt --lr 1e-3 --min-lr 2e-3
expect 2 "min-lr" plan --data text.txt --lr 1e-3 --min-lr 2e-3
expect 2 "max-tokens" generate nowhere -n 1e3
train 3 "nofile.txt.*no such file" --data nofile.txt
train 3 "empty" --data empty.txt
gzip -c text.txt | tail -c +20 >noise.bin
for command in train plan; do
  expect 3 "noise.bin.*not a text.*byte tokenizer" $command --model tiny --data noise.bin --seq 64 --steps 1 --out new
done
expect 3 "noise.bin.*not a text.*byte tokenizer" data --data noise.bin --out new
expect 3 "noise.bin.*not a text" tokenizer train --data noise.bin --out new
[ ! -e new ] || fail "a binary file left a folder behind"
train 3 "smaller --seq or a longer text" --data small.txt --seq 256
config ',"n_head2":4' && sed -i 's/"n_head":4,//' config.json && train 3 '"n_head" is missing' --model config.json --data text.txt --seq 64
config ',"pruned_heads":{"0":[1]}' && train 3 'pruned_heads' --model config.json --data text.txt --seq 64
config ',"n_inner":-1' && train 3 'n_inner' --model config.json --data text.txt --seq 64
config '' && sed -i 's/"n_head":4/"n_head":3/' config.json && train 3 'divisor of n_embd' --model config.json --data text.txt --seq 64
config '' && sed -i 's/"n_layer":2,//' config.json && train 3 '"n_layer" is missing' --model config.json --data text.txt --seq 64
config '' && sed -i 's/256/99/' config.json && train 3 'vocabulary' --model config.json --data text.txt --seq 64
echo '{"model_type":' >config.json && train 3 'config.json, line' --model config.json --data text.txt
expect 1 "cannot make the folder" train --model tiny --data text.txt --seq 64 --out /proc/none/here
expect 1 "not finite" train --model tiny --data text.txt --seq 64 --lr 1e30 --warmup 0 --clip 0 --steps 9 --out diverged

run="train --model tiny --data text.txt --seq 64 --batch 4 --out model"
"$hone" $run --steps 4 --save-every 2 >/dev/null 2>&1 || fail "a plain run failed"
expect 2 "another --lr" $run --steps 6 --lr 1e-4
state=model/checkpoints/step-00000004/state.safetensors
cp "$state" kept
printf X | dd of="$state" bs=1 seek=50000 conv=notrunc 2>/dev/null
expect 3 "altered or damaged" $run --steps 6
truncate -s 1000 "$state"
expect 3 "cut short" $run --steps 6
cp kept "$state"
"$hone" $run --steps 4 >/dev/null 2>&1 || fail "the earlier checkpoint is no longer whole"
truncate -s -10 model/model.safetensors
expect 3 "model.safetensors" hash model
expect 3 "no such file" generate nowhere --prompt x
echo "every mistake was met"
