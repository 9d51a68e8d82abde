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
# The same of a command that takes --out, which nobody shall find.
leaves_nothing() {
  code=$1 words=$2
  shift 2
  expect "$code" "$words" "$@" --out new/folder
  [ ! -e new ] || fail "hone $*: left a folder behind"
}
train() {
  code=$1 words=$2
  shift 2
  leaves_nothing "$code" "$words" train "$@"
}

: >empty.txt
head -c 2000 text.txt >small.txt
config() { echo '{"model_type":"gpt2","n_layer":2,"n_head":4,"n_embd":64,"n_positions":64,"vocab_size":256'"$1"'}' >config.json; }

# An option is named as it is typed.
expect 2 "did you mean train" trian
expect 2 "did you mean --data" train --dta text.txt
expect 2 "out is required" train --data text.txt
train 2 "did you mean 'nano'" --model nan0 --data text.txt
train 2 "steps" --data text.txt --steps many
train 2 "^hone: --precision: .*f32, bf16 or fp16" --data text.txt --precision bf17
train 2 "^hone: --loss-scale: .*power of two" --data text.txt --precision fp16 --loss-scale 1000
train 2 "^hone: --loss-scale: .*power of two" --data text.txt --precision fp16 --loss-scale auto
train 2 "^hone: --loss-scale: only fp16" --data text.txt --loss-scale dynamic
train 2 "^hone: --isa: unknown.*portable" --model tiny --data text.txt --seq 64 --isa sse
train 2 "^hone: --threads: .*1 to 4096.*found -1" --model tiny --data text.txt --seq 64 --threads -1
train 2 "^hone: --batch: .*at least 1, found 0" --model tiny --data text.txt --seq 64 --batch 0
train 2 "^hone: --seq: .*0 or more.*found -1" --model tiny --data text.txt --seq -1
train 2 "^hone: --schedule: .*found 'sine'" --data text.txt --schedule sine
train 2 "^hone: --optimizer: unknown optimizer 'adam'.*did you mean 'adamw'" --data text.txt --optimizer adam
train 2 "^hone: --resume: .*found 'no'" --data text.txt --resume no
train 2 "^hone: --warmup: .*found -1" --data text.txt --warmup -1
train 2 "^hone: --save-every: .*found -1" --data text.txt --save-every -1
train 2 "^hone: --beta2: .*found 1" --data text.txt --beta2 1
train 2 "^hone: --model: no preset 'nan0'" --model nan0 --data text.txt
train 2 "^hone: --lr: expected a finite number, found ''" --lr= --data text.txt
train 2 "^hone: --seed: .*found ''" --data text.txt --seed=
expect 2 "^hone: --vocab-size: .*257 to" tokenizer train --data text.txt --vocab-size 12 --out new
expect 2 "^hone: ids: .*found x" tokenizer decode --tokenizer byte "65 x"
expect 3 "none.json" tokenizer verify none.json none.json
expect 2 "^hone: --shard-tokens: " data build --data text.txt --shard-tokens 0 --out new
expect 2 "^hone: --vocab: .*0 to.*found -1" bench train --vocab -1
expect 2 "^hone: --threads: .*found -1" bench gemm --threads -1
expect 2 "^hone: --sample-tokens: .*found -5" demo --data text.txt --sample-tokens -5
train 2 "^hone: --micro-batch: " --model tiny --data text.txt --seq 64 --micro-batch 99
for value in -1 1.5 0x10 1e3 18446744073709551616; do train 2 "seed" --data text.txt --seed $value; done
for value in -3 2.5 99999999999999999999; do train 2 "steps" --data text.txt --steps $value; done
for option in lr min-lr clip weight-decay beta1 beta2 dropout; do
  for value in nan inf -inf 1e39 1e-60 x; do train 2 "$option" --data text.txt --$option $value; done
done
train 2 "dropout" --data text.txt --dropout -1
too_large="--data text.txt --model gpt2 --batch 4096 --micro-batch 4096 --seq 1024"
train 4 "memory" $too_large
leaves_nothing 4 "memory" demo $too_large --steps 2
leaves_nothing 3 "smaller --seq or a longer text" demo --data small.txt --vocab-size 300 --steps 2
leaves_nothing 2 "sample-tokens" demo --data text.txt --sample-tokens -5 --steps 2
leaves_nothing 2 "prompt exceeds" demo --data text.txt --vocab-size 300 --seq 64 --prompt "$(head -n 50 text.txt)" --steps 2
leaves_nothing 2 "vocabulary" tokenizer train --data text.txt --vocab-size 3
leaves_nothing 3 "nofile.txt.*no such file" data build --data nofile.txt
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
expect 3 "noise.bin.*not a text.*byte tokenizer" data build --data noise.bin --out new
expect 3 "noise.bin.*not a text" tokenizer train --data noise.bin --out new
[ ! -e new ] || fail "a binary file left a folder behind"
mkdir -p album/raw && echo "{\"title\":\"holiday\"}" >album/meta.json && echo jpg >album/photo.jpg
expect 1 "album: the folder holds other files" data build --data text.txt --out album
[ -d album/raw ] && [ -e album/photo.jpg ] || fail "data build replaced a folder of photos"
"$hone" data build --data text.txt --out shards >/dev/null
train 3 "a token shard; name its folder" --data shards/train-00000.tok
train 3 "smaller --seq or a longer text" --data small.txt --seq 256
config ',"n_head2":4' && sed -i 's/"n_head":4,//' config.json && train 3 '"n_head" is missing' --model config.json --data text.txt --seq 64
config ',"pruned_heads":{"0":[1]}' && train 3 'pruned_heads' --model config.json --data text.txt --seq 64
config ',"n_inner":-1' && train 3 'n_inner' --model config.json --data text.txt --seq 64
config '' && sed -i 's/"n_head":4/"n_head":3/' config.json && train 3 'divisor of n_embd' --model config.json --data text.txt --seq 64
config '' && sed -i 's/"n_layer":2,//' config.json && train 3 '"n_layer" is missing' --model config.json --data text.txt --seq 64
config '' && sed -i 's/256/99/' config.json && train 3 'vocabulary' --model config.json --data text.txt --seq 64
echo '{"model_type":' >config.json && train 3 'config.json, line' --model config.json --data text.txt
expect 1 "cannot make the folder" train --model tiny --data text.txt --seq 64 --out /proc/none/here

# weights and losses that are not finite
diverging="--model tiny --data text.txt --seq 64 --batch 4 --lr 1e30 --warmup 0 --clip 0 --json"
expect 1 "step [1-9].*not finite.*no checkpoint was saved" train $diverging --steps 9 --out diverged
tail -1 out.log | grep -q '"event":"error","exit_code":1,"message":"step' || fail "no error event: $(cat out.log)"
expect 1 "step [1-9].*not finite.*last checkpoint is diverged2/checkpoints/step-00000001" train $diverging --steps 9 --save-every 1 --out diverged2
expect 1 "validation loss is not finite" train $diverging --steps 1 --out diverged3
for folder in diverged diverged2 diverged3; do
  [ ! -e $folder/model.safetensors ] || fail "a model that diverged was saved"
done

# A recipe's mistakes are its file's: exit 3, with the line.
recipe() {
  printf "$3" >recipe.toml
  train "$1" "recipe.toml, line $2" recipe.toml
}
start='model = "tiny"\ndata = "text.txt"\nseq = 32\n'
recipe 3 "4: --batch: the batch must" "${start}batch = 0\n"
recipe 3 "4: --precision: unknown" "${start}precision = \"bf17\"\n"
recipe 3 "4: --min-lr: impossible" "${start}min_lr = 0.5\nlr = 0.1\n"
recipe 3 "4: --lr: .*large" "${start}lr = 1e99\n"
recipe 3 "4: 'seed' has .*a whole number, found a number with a point" "${start}seed = 3.0\n"
recipe 3 "4: 'beta1' has .*a number, found a text" "${start}beta1 = \"0.9\"\n"
recipe 3 "4: 'out' has .*a text, found a whole number" "${start}out = 7\n"
printf 'min_lr = 1e-4\nmin-lr = 1e-5\n' >recipe.toml  # one option by two spellings
train 3 "recipe.toml, line [12].*given twice" recipe.toml
mkdir -p folder.toml
train 3 "folder.toml: a recipe is a TOML file: found a folder" folder.toml
printf 'batch = 0\n' >recipe.toml
train 2 "^hone: --seq: " recipe.toml --model tiny --data text.txt --batch 2 --seq -1

run="train --model tiny --data text.txt --seq 64 --batch 4 --out model"
"$hone" $run --steps 4 --save-every 2 >/dev/null 2>&1 || fail "a plain run failed"
expect 2 "another --lr" $run --steps 6 --lr 1e-4
expect 2 "^hone: --keep: .*1 or more" $run --steps 6 --keep 0
cp -r model/checkpoints kept
for step in 2 4; do truncate -s 1000 model/checkpoints/step-0000000$step/model.safetensors; done
expect 3 "altered or damaged.*no other checkpoint is whole" $run --steps 6
rm -r model/checkpoints && mv kept model/checkpoints
"$hone" $run --steps 4 >/dev/null 2>&1 || fail "the earlier checkpoint is no longer whole"
expect 2 "^hone: --prompt: the prompt is empty" generate model --prompt ''
expect 2 "^hone: --prompt: the prompt is empty" generate model --prompt=
for option in temperature top-k; do expect 2 "^hone: --$option: .*found -1" generate model -p x --$option -1; done
expect 2 "^hone: --top-p: .*found 0" generate model -p x --top-p 0
expect 2 "^hone: --max-tokens: .*found -2" generate model -p x -n -2
expect 2 "^hone: --max-tokens: .*found -2" eval model --data text.txt --max-tokens -2
expect 2 "^hone: --seq: .*found 999" eval model --data text.txt --seq 999
# a file where its folder is meant, and files that only bear the name
train 3 "^hone: model/model.safetensors: one file.*found a safetensors file (name its folder: model)" --model model/model.safetensors --data text.txt
expect 3 "one file.*found a safetensors file (name its folder: model)" eval model/model.safetensors --data text.txt
expect 3 "one file.*(name its folder: model)" generate model/config.json -p x
mkdir -p named
cp model/config.json named/
printf 'GGUF\003\000\000\000\000\000\000\000' >named/model.safetensors
expect 3 "named/model.safetensors: not a safetensors file: found a GGUF model" hash named
printf '<!doctype html><title>model.safetensors</title>' >named/model.safetensors
expect 3 "found a web page (download" inspect named/model.safetensors
cp named/model.safetensors named/config.json
expect 3 "named/config.json: not JSON: found a web page" hash named

truncate -s -10 model/model.safetensors
expect 3 "model.safetensors" hash model
expect 3 "no such file" generate nowhere --prompt x

# what no run has made is not replaced
"$hone" $run --steps 4 --out finished >/dev/null 2>&1 || fail "a plain run failed"
cp -r finished own && rm -r own/checkpoints
mkdir config && config '' && mv config.json config/
for folder in own config; do
  cp -r $folder kept-$folder
  expect 2 "another model.*another --out" $run --steps 4 --out $folder
  expect 2 "another model.*another --out" $run --steps 4 --out $folder --resume never
  expect 2 "another model.*another --out" plan --model tiny --out $folder
  expect 2 "another model.*another --out" demo --data text.txt --out $folder
  expect 2 "tokenizer would be replaced" tokenizer train --data text.txt --vocab-size 300 --out $folder
  diff -rq $folder kept-$folder || fail "$folder was changed"
done
"$hone" $run --steps 0 --out base >/dev/null 2>&1 || fail "a run of no step failed"
printf '\377\377\377\377' | dd of=base/model.safetensors bs=1 seek=$(($(wc -c <base/model.safetensors) - 4)) conv=notrunc 2>/dev/null
train 3 "base/model.safetensors, tensor .*: a weight is not finite: expected finite numbers, found NaN" --model base --data text.txt --seq 64
expect 3 "first in the weight .*not finite" eval base --data text.txt
expect 3 "first in the weight .*not finite" generate base --prompt line
expect 2 "folder of --model.*another --out" $run --model finished --out finished

# by --json each is an event on stdout, whatever is wrong, with the message of stderr
event() {
  expect "$@" --json
  [ "$(wc -l <out.log)" = 1 ] || fail "hone $*: not one event: $(cat out.log)"
  grep -q "^{\"event\":\"error\",\"exit_code\":$1,\"message\":\"" out.log || fail "hone $*: $(cat out.log)"
}
event 2 "^hone: --steps: " train --data text.txt --steps x --out new
event 2 "^hone: --precision: " train --data text.txt --precision fp8 --out new
event 2 "did you mean --optimizer" train --data text.txt --optimzer adamw --out new
event 2 "^hone: --memory: not a size" plan --model tiny --memory 5XB
event 2 "^hone: --source-seq: " train --model transformer-tiny --data task:dates --source-seq -1 --out new
grep -q '"message":"--source-seq: ' out.log || fail "the event names another option: $(cat out.log)"
event 3 "no such file" inspect nowhere
printf 'stps = 1\njson = true\n' >recipe.toml
event 3 "unknown key" train recipe.toml --data text.txt --out new
event 4 "at least [0-9]* MiB" plan --model tiny --data text.txt --seq 64 --memory 10MiB
least=$(sed -n 's/.*"smallest_bytes":\([0-9]*\)}$/\1/p' out.log)
[ $((${least:-0} % 1048576)) = 0 ] && [ "$least" -gt 10485760 ] || fail "the smallest budget: $(cat out.log)"

# an option that is typed has a value
for option in memory loss-scale allow; do train 2 "^hone: --$option: .*found ''" --data text.txt --precision fp16 --$option ""; done
expect 2 "^hone: --memory: .*found ''" bench train --memory ""

# a checkpoint whose weights were altered is no model
altered=$(ls -d finished/checkpoints/step-* | tail -1)
printf '\001' | dd of=$altered/model.safetensors bs=1 seek=$(($(wc -c <$altered/model.safetensors) - 3)) conv=notrunc 2>/dev/null
expect 3 "$altered/model.safetensors: the checkpoint was altered" generate $altered -p line -n 1
expect 3 "$altered/model.safetensors: the checkpoint was altered" hash $altered
echo "every mistake was met"
