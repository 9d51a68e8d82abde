#!/bin/sh
# `hone data build` and `inspect`: from text, JSON lines and packed files; the same training from shards as from the
# text, by any threads and micro-batches, after a kill and a resume; what is broken is named, and leaves nothing.
# usage: data_test.sh HONE
. "$(dirname "$0")/common.sh"

awk 'BEGIN { for (i = 0; i < 400; ++i) printf "{\"id\": %d, \"text\": \"document %d says \\u00e9, %d\"}\n", i, i, i * i % 89 }' >d.jsonl
gzip -k d.jsonl
value() { sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^,\"}]*\\).*/\\1/p"; }
build() { "$hone" data build "$@" --json 2>>err.log || fail "data build $*: $(cat err.log)"; }

build --data d.jsonl --tokenizer byte --out lines >made
[ "$(value documents <made)" = 400 ] || fail "documents: $(cat made)"
[ "$(value vocab_size <made)" = 256 ] || fail "vocab_size: $(cat made)"
build --data d.jsonl.gz --tokenizer byte --out lines >again
cmp -s made again || fail "packed by gzip the lines are others: $(cat again)"
"$hone" data inspect lines --verify --show 26 --json >seen || fail "inspect"
for key in tokens train_tokens held_out_tokens documents bytes ratio shards vocab_size digest; do
  [ -n "$(value $key <made)" ] && [ "$(value $key <made)" = "$(value $key <seen)" ] || fail "$key: $(cat made seen)"
done
grep -q '"verified":true' seen || fail "inspect --verify: $(cat seen)"
grep -q '"text":"document 0 says é, 0' seen || fail "inspect --show: $(cat seen)"
"$hone" data inspect lines --show 10 | grep -qx 'document 0' || fail "inspect --show, for people"

# The same training from the text and from its shards; any threads and micro-batches.
build --data text.txt --tokenizer byte --out shards >/dev/null
train() { "$hone" train --model tiny --seq 32 --batch 8 --warmup 2 --json "$@" 2>/dev/null | hash_of; }
expected=$(train --steps 6 --data text.txt --tokenizer byte --out a)
[ -n "$expected" ] || fail "no hash"
[ "$(train --steps 6 --data shards --out b)" = "$expected" ] || fail "shards train to other weights than their text"
[ "$(train --steps 6 --data shards --out c --threads 3 --micro-batch 3)" = "$expected" ] || fail "threads change weights"

# Cut into windows: a kill and a resume, other threads, another micro-batch.
build --data d.jsonl --tokenizer byte --documents cut --seq 32 --out cut >made
[ "$(value packing <made)" = cut ] && [ "$(value seq <made)" = 32 ] || fail "cut: $(cat made)"
expected=$(train --steps 120 --data cut --out whole)
"$hone" train --model tiny --seq 32 --batch 8 --warmup 2 --steps 120 --save-every 5 --data cut --out killed >/dev/null 2>&1 &
until ls -d killed/checkpoints/step-???????? >/dev/null 2>&1; do
  kill -0 $! 2>/dev/null || break
  sleep 0.02
done
kill -9 $! 2>/dev/null || true
wait $! 2>/dev/null || true
[ "$(train --steps 120 --save-every 5 --data cut --out killed --threads 1 --micro-batch 3)" = "$expected" ] ||
  fail "another hash after a kill"

# refused CODE WORDS ARGUMENT...: one message, nothing left
refused() {
  code=$1 words=$2 found=0
  shift 2
  "$hone" "$@" >out.log 2>err.log || found=$?
  [ "$found" = "$code" ] || fail "hone $*: exit $found, expected $code: $(cat err.log)"
  grep -q -- "$words" err.log || fail "hone $*: '$words' is not in: $(cat err.log)"
  [ ! -e new ] && [ ! -e new.tmp ] || fail "hone $*: left a folder behind"
}
{ head -n 7 d.jsonl && echo '{"text": "open'; } >broken.jsonl
refused 3 "broken.jsonl, line 8, column 15: not valid JSON" data build --data broken.jsonl --out new
refused 3 "broken.jsonl, line 8, column 15: not valid JSON" train --model tiny --data broken.jsonl --out new
refused 3 'd.jsonl, line 1: "words" is missing' data build --data d.jsonl --field words --out new
head -c 900 d.jsonl.gz >half.jsonl.gz
refused 3 "half.jsonl.gz: the gzip data are cut short" data build --data half.jsonl.gz --out new
if command -v zstd >/dev/null; then
  zstd -q d.jsonl -o d.jsonl.zst
  build --data d.jsonl.zst --tokenizer byte --out lines >again
  head -c 900 d.jsonl.zst >half.jsonl.zst
  refused 3 "half.jsonl.zst: the Zstandard data are cut short" data build --data half.jsonl.zst --out new
fi
refused 2 "documents cut" data build --data d.jsonl --documents cut --out new
refused 2 "only documents that are cut" data build --data d.jsonl --seq 32 --out new
refused 2 "" data build --data d.jsonl --out new --format csv
refused 2 "shard-tokens: impossible value: expected 256 to" data build --data d.jsonl --out new --shard-tokens 1
mkfifo pipe.jsonl
refused 3 "pipe.jsonl: it is not a regular file" data build --data pipe.jsonl --out new
refused 3 "expected seq 32, found seq 64" train --model tiny --seq 64 --data cut --out new
refused 3 "no running text" eval a --data cut
refused 3 "nowhere/meta.json: cannot read" data inspect nowhere
refused 3 "d.jsonl: not a folder of token shards.*found a file" data inspect d.jsonl
refused 2 "did you mean hone data build --data" data --data d.jsonl --out new
cp -r shards lost
rm lost/meta.json
refused 3 "lost: a folder of token shards has a meta.json" data inspect lost
refused 3 "lost: a folder of token shards has a meta.json" train --model tiny --seq 32 --data lost --out new
refused 3 "lost: token shards, not texts" data build --data lost --out new
echo '{}' >lost/meta.json
refused 3 "lost/meta.json" train --model tiny --seq 32 --data lost --out new
printf x | dd of=shards/train-00000.tok bs=1 seek=3000 conv=notrunc 2>/dev/null
refused 3 "train-00000.tok, frame 4: .*checksum" data inspect shards --verify
refused 3 "train-00000.tok, frame 4: .*checksum" train --model tiny --seq 32 --data shards --out new --steps 9
echo "shards are what they were made of"
