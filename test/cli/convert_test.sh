#!/bin/sh
# Models between folders and GGUF files, by the program: the same weights, what is said, and exit codes.
# usage: convert_test.sh HONE DATA
data=$(realpath "$2")
. "$(dirname "$0")/common.sh"
llama=$data/gguf/llama

# exits CODE WORDS COMMAND...: with that code, one message that has the words, and nothing new in the folder
exits() {
  code=$1 words=$2
  shift 2
  before=$(ls)
  if "$hone" "$@" >out.log 2>err.log; then found=0; else found=$?; fi
  [ "$found" = "$code" ] || fail "hone $*: exit $found, not $code: $(cat err.log)"
  grep -q "$words" err.log || fail "hone $*: no '$words': $(cat err.log)"
  [ "$(wc -l <err.log)" -le 8 ] || fail "hone $*: says too much"
  [ "$before" = "$(ls)" ] || fail "hone $*: left something: $(ls)"
}
touch out.log err.log

"$hone" convert "$llama" m.gguf --type f32 2>/dev/null
[ "$("$hone" hash m.gguf)" = "$("$hone" hash "$llama")" ] || fail "the GGUF file has other weights"
"$hone" convert m.gguf back 2>/dev/null
[ "$("$hone" hash back)" = "$("$hone" hash "$llama")" ] || fail "the folder has other weights"
"$hone" convert "$llama" q.gguf --type q8_0 2>/dev/null
"$hone" inspect q.gguf | grep -q "blk.0.attn_q.weight *Q8_0 *\[64,64\]" || fail "inspect: $("$hone" inspect q.gguf)"
"$hone" inspect q.gguf --metadata | grep -q "llama.block_count *u32 *2" || fail "inspect --metadata"
"$hone" inspect q.gguf --json | grep -q '"dtype":"Q8_0"' || fail "inspect --json"
"$hone" convert "$llama" k.gguf --type q4_k 2>err.log
grep -q "note: .*q5_0 instead of q4_k: rows of 64" err.log || fail "another type is not said: $(cat err.log)"

exits 2 "q4_k" convert "$llama" x.gguf --type q4k
exits 2 "convert" convrt "$llama" x.gguf
exits 3 "gpt2" convert "$data/models/gpt2" x.gguf
exits 3 "no such file" convert nowhere x.gguf
exits 1 "" convert "$llama" nowhere/x.gguf
head -c 3000 q.gguf >short.gguf
exits 3 "short.gguf" inspect short.gguf
exits 3 "short.gguf" hash short.gguf
{ printf X; tail -c +2 q.gguf; } >magic.gguf
exits 3 "not a GGUF file" inspect magic.gguf
exits 3 "not a GGUF file" eval magic.gguf --data text.txt
rm magic.gguf
exits 3 "no tokenizer" generate q.gguf -p x
# what is there is never replaced, be it a model, another file or a pipe
exits 2 "would be replaced" convert m.gguf back
exits 2 "never changed" convert m.gguf m.gguf
exits 2 "there is one of that name, which would be replaced" convert "$llama" m.gguf --type q8_0
echo mine >notes.gguf && cp notes.gguf notes
mkdir folder.gguf && mkfifo pipe.gguf && ln -s nowhere link.gguf
for name in notes.gguf notes folder.gguf pipe.gguf link.gguf; do
  exits 2 "$name: there is one of that name" convert "$llama" $name
  exits 2 "$name: there is one of that name" quantize "$llama" $name --bits 8
done
cmp notes notes.gguf || fail "a file was replaced"
mkdir tokenized && "$hone" tokenizer train --data text.txt --vocab-size 280 --out tokenized >/dev/null 2>&1
exits 2 "no file or folder to write to" convert "$llama" ""
rm -r folder.gguf pipe.gguf link.gguf

# a tokenizer that is named stands for one that the file lacks, or that is not read
"$hone" tokenizer train --data text.txt --vocab-size 280 --out tokenizer >/dev/null 2>&1
"$hone" train --model llama-tiny --data text.txt --tokenizer tokenizer/tokenizer.json --out trained --steps 1 --batch 1 --warmup 0 --seq 32 >/dev/null 2>&1
"$hone" convert trained t.gguf --type f32 2>/dev/null
cp trained/tokenizer.json tokenized/ && "$hone" convert t.gguf tokenized 2>err.log || fail "beside its own tokenizer: $(cat err.log)"
"$hone" tokenizer train --data text.txt --vocab-size 270 --out others >/dev/null 2>&1
exits 2 "another tokenizer" convert t.gguf others
exits 2 "another tokenizer" quantize t.gguf others --bits 8
LC_ALL=C sed 's/gpt-2/gpt-x/' t.gguf >strange.gguf
exits 3 "gpt-x" generate strange.gguf -p line
text=$("$hone" generate trained -p line -n 5 --temperature 0)
[ "$("$hone" generate strange.gguf -p line -n 5 --temperature 0 --tokenizer tokenizer)" = "$text" ] || fail "generate --tokenizer"
"$hone" eval strange.gguf --tokenizer tokenizer --data text.txt --max-tokens 99 >/dev/null 2>err.log || fail "eval --tokenizer: $(cat err.log)"
printf '{{ messages[0].content }}' >plain.jinja
printf 'line\n' | "$hone" run strange.gguf --chat-template plain.jinja --tokenizer tokenizer -n 3 >/dev/null 2>err.log ||
  fail "run --tokenizer: $(cat err.log)"
echo "fine"
