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

# schedules
said "warmup 100 does not end" train $run --steps 3 --warmup 100 --out warmup --json
said "warmup 100 does not end" plan $run --steps 3 --warmup 100
said "min-lr has no effect" plan $run --schedule constant --min-lr 1e-4
"$hone" train $run --lr 3e-3 --min-lr 1e-3 --out least --json 2>/dev/null | grep -q '"step":2,.*"lr":0.00100000' ||
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

# options that another one makes void
said "temperature 0.*--top-k, --seed" generate special --prompt a -n 1 --temperature 0 --top-k 3 --seed 4
if "$hone" bench gemm --batch 3 --isa none 2>err.log; then fail "there is no such instruction set"; fi
grep -q "^note: without effect on bench gemm.*--batch" err.log || fail "bench gemm: $(cat err.log)"
silent data --data text.txt --out shards
"$hone" tokenizer train --data text.txt --vocab-size 300 --out bpe >/dev/null
"$hone" data --data text.txt --tokenizer bpe --out bpe-shards >/dev/null
if "$hone" train $run --data bpe-shards --tokenizer byte --out void 2>err.log; then fail "--tokenizer over shards does nothing"; fi
if "$hone" eval base --data bpe-shards --tokenizer byte 2>err.log; then fail "--tokenizer over shards does nothing"; fi

# a run that goes on
cp plain.json base/config.json
said "steps 2 -> 4: the learning rate at step 3" train $run --steps 4 --out dropout0 --model base --dropout 0
echo "what has no effect is said"
