#!/bin/sh
# What an option or a file asks for in vain is said, once, on stderr; what is asked for is done.
# usage: notes_test.sh HONE
. "$(dirname "$0")/common.sh"

# said WORDS COMMAND...: WORDS is a basic regular expression that one line of stderr must match
said() {
  words=$1
  shift
  "$hone" "$@" >out.log 2>err.log || fail "hone $*: $(cat err.log)"
  [ "$(grep -c "^note: .*$words" err.log)" = 1 ] || fail "hone $*: '$words' is not said once: $(cat err.log)"
}
silent() {
  "$hone" "$@" >out.log 2>err.log || fail "hone $*: $(cat err.log)"
  if grep "^note:" err.log; then fail "hone $*: a note"; fi
}

run="--model tiny --data text.txt --seq 32 --batch 2 --steps 2 --warmup 0"
silent train $run --out base
hash=$(silent train $run --out base --json && hash_of <out.log)

# --dropout over a model folder
for dropout in 0 0.5; do
  "$hone" train $run --model base --dropout $dropout --out dropout$dropout --json 2>/dev/null | hash_of >hash$dropout
done
if cmp -s hash0 hash0.5; then fail "--dropout over a model folder does nothing"; fi
grep -q '"attn_pdrop": 0.5' dropout0.5/config.json || fail "the dropout is not in the model's config.json"

# a number as it was typed, not as f32 has it
for shown in 0.1 0.2; do
  "$hone" train $run --dropout $shown --out shown$shown >/dev/null 2>&1
  grep -q "\"attn_pdrop\": $shown," shown$shown/config.json || fail "config.json: $(cat shown$shown/config.json)"
done
if "$hone" train $run --dropout 0.2 --beta1 0.8 --out shown0.2 2>err.log; then fail "another --beta1 went on"; fi
grep -q "expected 0.9, found 0.8" err.log || fail "beta1: $(cat err.log)"
"$hone" inspect shown0.2 --json | grep -q '"name":"transformer.ln_f.bias","dtype":"F32","shape":\[128\],"bytes":512}' ||
  fail "inspect --json has no shape of numbers: $("$hone" inspect shown0.2 --json | tail -1)"

# what fp16 costs; its steps and its end say scale and skipped steps, and a scale that stays overflows here
said "bf16 is the better choice" train $run --precision fp16 --out fp16 --json
grep -q '"event":"step".*"loss_scale":65536,"skipped":false}' out.log || fail "steps of fp16 say: $(cat out.log)"
grep -q '"event":"done".*"skipped_steps":0}' out.log || fail "the end of fp16 says: $(cat out.log)"
said "step 1 is skipped: fp16 overflowed, first in .* @loss; the loss scale stays 67108864" \
  train $run --steps 1 --precision fp16 --loss-scale 67108864 --out skips --json
grep -q '"event":"done".*"skipped_steps":1}' out.log || fail "a skipped step is not counted: $(cat out.log)"

# what only other data or options have
said "on this data (text): --source-seq, --too-long$" plan $run --source-seq 4 --too-long cut
said "allow has no effect without --memory" plan $run --allow master

# schedules
said "warmup 100 does not end" train $run --steps 3 --warmup 100 --out warmup --json
said "warmup 100 does not end" plan $run --steps 3 --warmup 100
said "min-lr has no effect" plan $run --schedule constant --min-lr 1e-4
"$hone" train $run --lr 3e-3 --min-lr 1e-3 --out least --json 2>/dev/null | grep -q '"step":2,.*"lr":0.001,' ||
  fail "the last step does not have --min-lr"

# a plan without a text, and one with it
said "no --data: .*without the memory that a text takes, for a tokenizer of 256 ids (byte)" plan --model tiny --seq 32 --steps 200
silent plan --model tiny --seq 32 --steps 200 --data text.txt
if "$hone" plan --model tiny --tokenizer char 2>err.log; then fail "a char vocabulary came from nowhere"; fi
grep -q "char.*--data" err.log || fail "plan --tokenizer char: $(cat err.log)"

# a folder's files
sed 's/"n_head"/"n_special": 0, "n_head"/' base/config.json >config.json
said "n_special" plan $run --model config.json
cp base/config.json plain.json
cp config.json base/
said "n_special" train $run --model base --out special
said "n_special" eval base --data text.txt
said "n_special" generate base --prompt a -n 1
said "n_special" hash base
[ "$(cat out.log)" = "$hash" ] || fail "a key without effect changed the hash"

# names out of files: nothing of them is obeyed by a terminal
sed 's/"n_head"/"a\\u001b[2Jb\\u0000c\\u009b": 0, "n_head"/' plain.json >escape.json
said 'a.x1b.2Jb.x00c.xc2.x9b' plan $run --model escape.json
if "$hone" inspect "$(printf 'no\033[2J\nfile')" 2>err.log; then fail "there is no such file"; fi
grep -q 'no.x1b.2J.x0afile: ' err.log || fail "a file's name: $(cat err.log)"
header='{"a\u001b[2Jb":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
{ printf "\\$(printf %o ${#header})\\0\\0\\0\\0\\0\\0\\0" && printf '%s' "$header" && printf 12; } >escape.safetensors
"$hone" inspect escape.safetensors >out.log
grep -q 'a.x1b.2Jb *U8 ' out.log || fail "a tensor's name: $(cat out.log)"

# options that another one makes void
said "temperature 0.*--top-k, --seed" generate special --prompt a -n 1 --temperature 0 --top-k 3 --seed 4
if "$hone" bench gemm --batch 3 --isa none 2>err.log; then fail "there is no such instruction set"; fi
grep -q "^note: without effect on bench gemm.*--batch" err.log || fail "bench gemm: $(cat err.log)"
said "no tokenizer is trained: --vocab-size" demo $run --tokenizer byte --vocab-size 512 --sample-tokens 4 --out demo
silent demo $run --tokenizer byte --sample-tokens 4 --out demo2
silent data build --data text.txt --out shards
"$hone" tokenizer train --data text.txt --vocab-size 300 --out bpe >/dev/null
"$hone" data build --data text.txt --tokenizer bpe --out bpe-shards >/dev/null
if "$hone" train $run --data bpe-shards --tokenizer byte --out void 2>err.log; then fail "--tokenizer over shards does nothing"; fi
if "$hone" eval base --data bpe-shards --tokenizer byte 2>err.log; then fail "--tokenizer over shards does nothing"; fi

cp plain.json base/config.json

# a text that ends before it was to
said "context of 32 tokens is full after 32 of --max-tokens 64" generate base --prompt a -n 64 --top-k 0
said "context of 32 tokens is full after 32 of --max-tokens 64" generate base --prompt a -n 64 --top-k 0 --json
silent generate base --prompt a -n -1
said "context of 3 tokens is full after the prompt" generate base --prompt abc -n -1 --ctx-size 3
printf 'a\nab\n' >prompts.txt
said "context of 4 tokens is full after 2 of 2 answers" generate base --prompts prompts.txt -n 9 --ctx-size 4
silent generate base --prompts prompts.txt -n -1 --ctx-size 4
said "with --beams: --parallel$" generate base --prompts prompts.txt -n 1 --beams 2 --parallel 2
said "without --prompts: --parallel$" generate base --prompt a -n 1 --parallel 2
printf '{"prompt": "a"}\n\n{"prompt": ""}\n' >prompts.jsonl
if "$hone" generate base --prompts prompts.jsonl -n 1 2>err.log; then fail "an empty prompt has an answer"; fi
grep -q "prompts.jsonl, line 3: the prompt is empty" err.log || fail "empty prompt: $(cat err.log)"

# a text that begins twice
"$hone" train $run --tokenizer bpe --out framed >/dev/null 2>&1
frame='{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}}'
sed -i "s/\"post_processor\": null/\"post_processor\": $frame/" framed/tokenizer.json
said "the prompt begins with <|endoftext|> twice" generate framed --prompt "<|endoftext|>line" -n 1
silent generate framed --prompt "line" -n 1
printf 'line\n<|endoftext|>line\n' >prompts.txt
said "prompts.txt, line 2: the prompt begins with <|endoftext|> twice" generate framed --prompts prompts.txt -n 1

# an end that is none
for end in '"2"' -1 99999; do
  echo "{\"eos_token_id\": $end}" >framed/generation_config.json
  said "generation_config.json, eos_token_id is $end, which is no id of the model" generate framed --prompt line -n 1
done
rm framed/generation_config.json

# lines of other tools' sets
for line in '{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}' \
  '{"instruction": "a", "input": "", "output": "b"}'; do
  echo "$line" >lines.jsonl
  code=0
  "$hone" train --model base --data lines.jsonl --out refused 2>err.log || code=$?
  [ $code = 3 ] || fail "$line: exit $code"
  grep -q 'called "messages"\|"prompt" has the instruction' err.log || fail "$line: $(cat err.log)"
done

# another tokenizer than the model's own, though its ids fit
said "tokenizer is another one than base" train $run --model base --tokenizer char --out other
said "tokenizer is another one than base" plan $run --model base --tokenizer char
said "tokenizer is another one than base" plan --model base --seq 32 --warmup 0 --tokenizer other
silent train $run --model base --tokenizer byte --out same
silent eval base --data text.txt --tokenizer byte
code=0
"$hone" eval base --data text.txt --tokenizer char >out.log 2>err.log || code=$?
[ $code = 2 ] || fail "eval with another tokenizer: exit $code"
grep -q "base: --tokenizer is not .*'char'" err.log || fail "eval with another tokenizer: $(cat err.log)"
"$hone" help eval | grep -q -e "--tokenizer.*char" || fail "eval's help does not name char"

# a run that goes on
said "steps 2 -> 4: the learning rate at step 3" train $run --steps 4 --out dropout0 --model base --dropout 0
echo "what has no effect is said"

# Optimizers: each trains and goes on from its checkpoint; a number that one does not have is no option of it.
for optimizer in lion sgd; do
  other="$run --optimizer $optimizer --lr 1e-3"
  "$hone" train $other --steps 4 --out $optimizer --json >whole.log 2>/dev/null || fail "--optimizer $optimizer"
  "$hone" train $other --steps 2 --schedule constant --out ${optimizer}2 --json >/dev/null 2>&1
  "$hone" train $other --steps 4 --schedule constant --out ${optimizer}2 --json >parts.log 2>/dev/null ||
    fail "--optimizer $optimizer does not go on"
  "$hone" train $other --steps 4 --schedule constant --out ${optimizer}4 --json >whole.log 2>/dev/null
  [ "$(hash_of <parts.log)" = "$(hash_of <whole.log)" ] || fail "$optimizer: a resumed run has other weights"
  grep -q "\"optimizer\": \"$optimizer\"" $optimizer/checkpoints/*/state.json || fail "the checkpoint does not say $optimizer"
done
refused() {
  code=0
  "$hone" "$@" >out.log 2>err.log || code=$?
  [ $code = 2 ] || fail "hone $*: exit $code"
}
refused train $run --optimizer sgd --beta1 0.5 --out refused
grep -q "sgd has no beta1" err.log || fail "$(cat err.log)"
refused train $run --momentum 0.5 --out refused
refused train $run --optimizer adam --out refused
grep -q "did you mean 'adamw'" err.log || fail "$(cat err.log)"
[ ! -e refused ] || fail "a refused run leaves a folder"
