#!/bin/sh
# What a command leaves that is killed at any instant, asked to stop, refused by the disk, or not alone: its model
# whole or not at all, and nothing that stands in the way of the next one.
# usage: out_test.sh HONE KILLS
kills=$2
. "$(dirname "$0")/common.sh"

"$hone" tokenizer train --data text.txt --vocab-size 300 --out tokenizer >/dev/null 2>&1
"$hone" train --model llama-tiny --data text.txt --tokenizer tokenizer/tokenizer.json --out base --steps 2 --batch 1 --warmup 0 --seq 32 \
  --save-every 0 >/dev/null 2>err || fail "base: $(cat err)"
mkdir in && cp base/*.json base/model.safetensors in/

# what cannot be written is said before any work
touch file
for out in file/new file/new.gguf /proc/none/new /proc/none/new.gguf none/new.gguf; do
  for command in quantize prune convert; do expect 1 "cannot" $command in $out; done
done
expect 1 "cannot" pack in file/new
expect 1 "no such folder" quantize in new --report none/r.html
expect 1 "cannot write" quantize in new --report /proc/r.html
expect 1 "cannot write" quantize in new --method gptq --data text.txt --calibration none/kept
expect 1 "cannot write" quantize in new --method gptq --data text.txt --calibration /proc/kept
expect 3 "no file for a calibration" quantize in new --method gptq --data text.txt --calibration in
"$hone" train --model tiny --data text.txt --out gpt2 --steps 1 --batch 1 --warmup 0 --seq 32 >/dev/null 2>&1
for command in quantize prune; do expect 3 "some families only" $command gpt2 new.gguf; done
! ls -d new* *.tmp >/dev/null 2>&1 || fail "a check left $(ls -d new* *.tmp)"

"$hone" factorize in low --keep 0.5 >/dev/null 2>err || fail "factorize: $(cat err)"
expect 2 "products of low rank" prune low new.gguf
"$hone" convert low low.gguf >/dev/null 2>err || fail "convert multiplies out: $(cat err)"

# zeros that a type cannot keep are said
"$hone" prune in half --sparsity 0.5 >/dev/null 2>err || fail "prune: $(cat err)"
"$hone" convert half half-q4_1.gguf --type q4_1 2>err >/dev/null && grep -q "note: [45][0-9.]* % of the products' weights are zero, and [0-9][.0-9]* % in the file" err ||
  fail "convert --type q4_1: $(cat err)"
for type in q8_0 q4_0 f16; do
  "$hone" convert half half-$type.gguf --type $type 2>err >/dev/null || fail "convert --type $type: $(cat err)"
  ! grep -q "are zero" err || fail "convert --type $type: $(cat err)"
done
rm -r half* low*

# a size is of the whole file, and the smallest that is said is enough
learned="--data text.txt --windows 4 --seq 64 --max-eval-tokens 500 --speed-tokens 0"
for out in sized sized.gguf; do
  code=0
  "$hone" quantize in $out --size 20KB $learned --json >line 2>err || code=$?
  least=$(sed -n 's/.*"smallest_bytes":\([0-9]*\)}$/\1/p' line)
  [ $code = 4 ] && [ "${least:-0}" -gt 20000 ] || fail "--size 20KB: exit $code: $(cat line err)"
  for size in $((least - 1)) $least $((least + 20000)); do
    rm -rf $out
    code=0
    "$hone" quantize in $out --size $size $learned --json >line 2>err || code=$?
    [ $code = $([ $size -lt $least ] && echo 4 || echo 0) ] || fail "--size $size, where $least is the least: exit $code: $(cat err)"
    [ $code = 4 ] && continue
    bytes=$(cat $([ $out = sized ] && echo sized/model.safetensors || echo $out) | wc -c)
    [ "$bytes" -le $size ] && [ "$bytes" -ge "$least" ] || fail "--size $size: $bytes bytes of $out"
    grep -q "\"file_bytes\":$bytes," line || fail "--size $size: $bytes bytes, said $(cat line)"
  done
  rm -rf $out
done

# killed at any instant, in all that it writes
whole() {  # OUT: is it a model, or not there?
  case $1 in
    *.gguf) [ ! -e "$1" ] || "$hone" hash "$1" >/dev/null 2>&1 ;;
    *) [ ! -e "$1/config.json" ] || { "$hone" hash "$1" >/dev/null 2>&1 && [ -e "$1/tokenizer.json" ]; } ;;
  esac
}
died=0 seed=1
kill_often() {  # OUT COMMAND...
  out=$1
  shift
  start=$(date +%s%N)
  "$hone" "$@" "$out" >/dev/null 2>err || fail "$*: $(cat err)"
  span=$((($(date +%s%N) - start) / 1000000))
  [ "$out" = there ] && rm -f there/*.json there/*.safetensors* || rm -rf "$out"
  before=$(ls -A)
  for n in $(seq "$kills"); do
    seed=$((seed + 1))
    "$hone" "$@" "$out" >/dev/null 2>&1 &
    sleep "$(awk -v seed=$seed -v span=$span 'BEGIN { srand(seed); printf "%.3f", rand() * span * 1.1 / 1000 }')"
    kill -9 $! 2>/dev/null || true
    code=0
    wait $! 2>/dev/null || code=$?
    [ $code = 0 ] || died=$((died + 1))
    whole "$out" || fail "$*: kill $n left half of $out: $(ls -lA "$out" "$out".tmp 2>&1)"
    code=0
    "$hone" "$@" "$out" >/dev/null 2>err || code=$?  # refused where it is whole
    [ $code = 0 ] || [ $code = 2 ] || fail "$*: after kill $n: $(cat err)"
    whole "$out" && [ -e "$out" ] || fail "$*: not written after kill $n"
    [ "$out" != there ] || [ "$(cat there/notes)" = mine ] || fail "$*: a file of another kind is gone"
    [ "$out" = there ] && rm -f there/*.json there/*.safetensors* || rm -rf "$out"
    [ "$(ls -A)" = "$before" ] || fail "$*: after kill $n there is $(ls -A)"
    [ "$out" != there ] || [ "$(ls -A there)" = notes ] || fail "$*: after kill $n there is $(ls -A there)"
  done
}
mkdir there && echo mine >there/notes
kill_often new quantize in
kill_often new.gguf quantize in
kill_often there quantize in
kill_often new pack in
kill_often new convert in
echo "$died of $((5 * kills)) commands were killed"

# asked to stop
touch line err second err.small
for i in $(seq 30); do cat text.txt; done >long.txt
slow="--data long.txt --method gptq --windows 4000 --seq 64 --threads 1"
until_there() {  # NAME
  until ls -d "$1" >/dev/null 2>&1; do
    kill -0 $run 2>/dev/null || fail "the command ended: $(cat err)"
    sleep 0.02
  done
}
for signal in INT TERM HUP; do
  for out in new a/new new.gguf there; do
    before=$(ls -A . there)
    "$hone" quantize in $out $slow --calibration kept --json >line 2>err &
    run=$!
    case $out in there) until_there there/.hone.new ;; *) until_there $out.tmp ;; esac
    until_there kept.tmp
    kill -$signal $run
    code=0
    wait $run || code=$?
    [ $code = 1 ] && grep -q "^hone: stopped" err || fail "SIG$signal: exit $code: $(cat err)"
    grep -q '^{"event":"error","exit_code":1,"message":"stopped' line || fail "SIG$signal: $(cat line)"
    [ "$(ls -A . there)" = "$before" ] || fail "SIG$signal: left $(ls -A . there)"
  done
done

# two at once: the second is refused, the first is not disturbed
for out in new new.gguf there; do
  "$hone" quantize in $out $slow >/dev/null 2>err &
  run=$!
  case $out in there) until_there there/.hone.new ;; *) until_there $out.tmp ;; esac
  for command in "quantize in $out" "convert in $out"; do
    code=0
    "$hone" $command >/dev/null 2>second || code=$?
    [ $code = 1 ] && grep -q "another process is" second || fail "the second: exit $code: $(cat second)"
  done
  kill -0 $run 2>/dev/null || fail "the first one ended: $(cat err)"
  kill -INT $run
  wait $run || true
done

# a disk that takes no more: no file may grow beyond so many blocks of 512 bytes
for blocks in 1 20 200; do
  for command in "quantize in new --bits 8" "quantize in new.gguf" "convert in new" "pack in new" "prune in there"; do
    before=$(ls -A . there)
    code=0
    (ulimit -f $blocks && "$hone" $command >/dev/null 2>err.small) || code=$?
    [ $code = 1 ] && grep -q "the file grows beyond the size limit" err.small || fail "ulimit -f $blocks: $command: exit $code: $(cat err.small)"
    [ "$(ls -A . there)" = "$before" ] || fail "ulimit -f $blocks: $command left $(ls -A . there)"
  done
done
echo "what was written was whole"
