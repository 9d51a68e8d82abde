#!/bin/sh
# `--memory SIZE`: what is resident at most stays below it, the weights are the same for every budget, and one that is too
# small is refused with the smallest that would do.
# usage: memory_test.sh HONE
. "$(dirname "$0")/common.sh"

printf '{"model_type":"gpt2","n_layer":12,"n_head":4,"n_embd":128,"n_positions":256,"vocab_size":256}' >config.json
run="--model config.json --data text.txt --batch 8 --seq 256 --threads 2"

# train SIZE: "resident forecast hash" of two steps; the size has no limit where it is empty
train() {
  rm -rf out
  "$hone" train $run --steps 2 --warmup 0 --out out --json ${1:+--memory "$1"} >lines 2>err || fail "$1: $(cat err)"
  tail -n 1 lines | sed 's/.*"peak_bytes":\([0-9]*\),"forecast_bytes":\([0-9]*\).*/\1 \2/' | tr '\n' ' '
  hash_of <lines
}
refused() {  # refused CODE MESSAGE OPTION...
  code=$1 message=$2
  shift 2
  "$hone" plan $run "$@" >/dev/null 2>err && fail "$*: no error"
  "$hone" plan $run "$@" >/dev/null 2>err || found=$?
  [ "$found" = "$code" ] || fail "$*: exit code $found, expected $code: $(cat err)"
  grep -q -- "$message" err || fail "$*: $(cat err)"
}

set -- $(train "")
most=$2 hash=$3
[ "$1" -le "$most" ] || fail "$1 bytes resident, $most forecast"
# what is counted is this program's, not that of a large one which started it
large=$(head -c 400000000 /dev/zero | tr '\0' a)
set -- $(train "")
[ "$1" -le "$most" ] || fail "started by a large program: $1 bytes resident, $most forecast"
large=
refused 4 "at least [0-9]* MiB, found 10 MiB" --memory 10MiB
least=$(sed -n 's/.*at least \([0-9]*\) MiB.*/\1/p' err)
[ $((least * 1048576)) -lt $((most * 3 / 4)) ] || fail "at least $least MiB of $most bytes"
for size in $(((most / 1048576 + least) / 2)) "$least"; do
  set -- $(train "${size}MiB")
  echo "--memory ${size}MiB: $1 bytes resident at most, $2 forecast"
  [ "$1" -le $((size * 1048576)) ] && [ "$2" -le $((size * 1048576)) ] || fail "$size MiB: $1 resident, $2 forecast"
  [ "$3" = "$hash" ] || fail "$size MiB: other weights, $3 for $hash"
done
"$hone" plan $run --memory 0.5GiB --json >/dev/null 2>err || fail "0.5GiB: $(cat err)"
for size in 9M 9mib 9Mi 9MiB 9437184 '9 m'; do refused 4 "at least .*, found 9 MiB" --memory "$size"; done
refused 4 "found 10 MiB" --memory 10MB
# what is recommended runs as it stands, wherever it is planned
mkdir "my texts"
cp text.txt "my texts/it's.txt"
"$hone" plan --model config.json --data "my texts/it's.txt" --batch 8 --seq 256 --threads 2 --steps 1 --warmup 0 --json >planned 2>err || fail "plan: $(cat err)"
grep -q '"options":"--memory [0-9]*MiB"' planned || fail "no choice says its budget: $(cat planned)"
sed 's/.*"recommended":"\(.*\)".*/\1/; s/\\"/"/g; s/\\\\/\\/g' planned >command
(set -- && hone() { "$hone" "$@"; } && . ./command) >lines 2>err || fail "recommended was $(cat command): $(cat err)"
[ -e out/config/model.safetensors ] || fail "$(cat command) left no model"
"$hone" plan --model tiny --seq 64 >planned 2>/dev/null
grep -q "with your --data: hone train --model tiny.* --out out/tiny$" planned || fail "without --data: $(cat planned)"
rm -r out
for size in much 0 -3MiB 1.5Gibs 1e30GB; do refused 2 "a number above 0 with KiB" --memory="$size"; done
refused 2 "optimizer or master" --memory 1GiB --allow everything

# Weights in bf16 alone are saved as such; with products in f32 they are refused.
rm -rf out
"$hone" train $run --steps 1 --warmup 0 --out out --precision bf16 --master bf16 --optimizer adamw8bit >/dev/null 2>err ||
  fail "--master bf16: $(cat err)"
"$hone" inspect out/model.safetensors | grep -qi bf16 || fail "--master bf16: the file has no bf16"
refused 2 "master" --master bf16
