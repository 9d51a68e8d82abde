#!/bin/sh
# Fine-tuning from outside: prompts and chats as data, what is learned of them, what is refused.
# usage: examples_test.sh HONE
. "$(dirname "$0")/common.sh"

run="--model tiny --tokenizer byte --batch 4 --steps 3 --warmup 0 --json"
awk 'BEGIN { for (i = 0; i < 40; ++i) printf "{\"prompt\":\"number %d is \",\"completion\":\"%d\"}\n", i, i * 7 % 40 }' >p.jsonl
awk 'BEGIN { for (i = 0; i < 40; ++i) printf "{\"messages\":[{\"role\":\"user\",\"content\":\"number %d?\"},{\"role\":\"assistant\",\"content\":\"%d\"}]}\n", i, i * 7 % 40 }' >c.jsonl
printf "{%%- for m in messages %%}<{{ m.role }}>{{ m.content }}</s>{%% endfor %%}{%% if add_generation_prompt %%}<assistant>{%% endif %%}" >t.jinja

"$hone" train $run --data p.jsonl --out p >lines 2>err || fail "prompts: $(cat err)"
"$hone" train $run --data p.jsonl --out p2 --micro-batch 1 --threads 1 >lines2 2>err || fail "micro-batches: $(cat err)"
[ "$(hash_of <lines)" = "$(hash_of <lines2)" ] || fail "micro-batches changed the weights"
"$hone" train $run --data p.jsonl --out p3 --train-on-prompt >lines2 2>err || fail "--train-on-prompt: $(cat err)"
[ "$(hash_of <lines)" != "$(hash_of <lines2)" ] || fail "--train-on-prompt changed nothing"
"$hone" train $run --data c.jsonl --out c --chat-template t.jinja >lines 2>err || fail "chats: $(cat err)"
grep -q '"event":"done".*"val_loss":[0-9]' lines || fail "the done line: $(tail -n 1 lines)"
"$hone" train $run --data c.jsonl --out packed --chat-template t.jinja --packing --seq 120 >lines 2>err ||
  fail "--packing: $(cat err)"
"$hone" train $run --data c.jsonl --out packed2 --chat-template t.jinja --packing --seq 120 --micro-batch 2 >lines2 2>err
[ "$(hash_of <lines)" = "$(hash_of <lines2)" ] || fail "micro-batches changed the weights of packed rows"

# a run in two halves is the run
"$hone" train $run --data p.jsonl --out half --steps 2 --schedule constant >/dev/null 2>&1 || fail "half"
"$hone" train $run --data p.jsonl --out half --steps 4 --schedule constant >lines 2>err || fail "resume: $(cat err)"
"$hone" train $run --data p.jsonl --out whole --steps 4 --schedule constant >lines2 2>err || fail "whole: $(cat err)"
[ "$(hash_of <lines)" = "$(hash_of <lines2)" ] || fail "a resumed run has other weights"

"$hone" train $run --data c.jsonl --out new --chat-template t.jinja --show-examples 2 >out 2>err || fail "show: $(cat err)"
[ "$(cat out)" = "--- line 1: 35 tokens, 5 of them learned
<user>number 0?</s><assistant>[[0</s>]]
--- line 2: 35 tokens, 5 of them learned
<user>number 1?</s><assistant>[[7</s>]]" ] || fail "--show-examples gave: $(cat out)"
[ ! -e new ] || fail "--show-examples made a folder"

# the tuned model chats by its own template
cp t.jinja c/chat_template.jinja
"$hone" train --model c --data c.jsonl --out tuned --batch 4 --steps 2 --warmup 0 >/dev/null 2>err || fail "tuned: $(cat err)"
echo "number 3?" | "$hone" run tuned -n 3 >out 2>err || fail "the tuned model does not chat: $(cat err)"

new="train $run --out new"
expect 3 "c.jsonl, line 1: messages need a chat template" $new --data c.jsonl
printf '{"prompt":"a","completion":"b"}\n{"prompt":"a"\n' >broken.jsonl
expect 3 "broken.jsonl, line 2, column .*not valid JSON" $new --data broken.jsonl
printf '{"prompt":"a","completion":"b"}\n{"prompt":"a"}\n' >half.jsonl
expect 3 "half.jsonl, line 2: the line is no example" $new --data half.jsonl
expect 3 "p.jsonl, line 1: the example is too long: expected at most 9 tokens" $new --data p.jsonl --seq 8
expect 2 "show-examples: only prompts and chats" $new --data text.txt --show-examples 1
{ printf '{"prompt":"a prompt that is longer than all others are","completion":"x"}\n'; cat p.jsonl; } >long.jsonl
"$hone" train $run --data long.jsonl --out dropped --seq 20 --too-long drop >lines 2>err || fail "drop: $(cat err)"
grep -q "note: long.jsonl: 1 of 41 examples have more than 21 tokens: left out" err || fail "drop: $(cat err)"
echo "examples are trained on, shown, and refused where they are none"
