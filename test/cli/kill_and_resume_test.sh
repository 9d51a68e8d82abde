#!/bin/sh
# A run that is killed at any instant goes on from its last checkpoint to the bits of an undisturbed one; a
# finished one, started again, does no step.   usage: kill_and_resume_test.sh HONE STEPS KILLS
. "$(dirname "$0")/common.sh"

options="--model tiny --data text.txt --batch 8 --seq 64 --steps $2 --warmup 10 --dropout 0.1 --precision bf16
  --save-every 20 --json"
run() { "$hone" train $options --out "$1" 2>>"$1.log"; }

expected=$(run whole | hash_of)
[ -n "$expected" ] || fail "the undisturbed run gave no hash"
kills=0 tries=0
for delay in 0.21 0.34 0.17 0.45 0.29 0.38 0.13 0.52 0.25 0.41 0.19 0.31 0.23 0.48 0.36 0.15 0.27 0.43 0.33 0.39; do
  [ $tries -lt "$3" ] || break
  tries=$((tries + 1))
  "$hone" train $options --out killed >/dev/null 2>>killed.log &  # not by run: the kill must hit the program itself
  sleep "$delay"
  if kill -9 $! 2>/dev/null; then kills=$((kills + 1)); fi
  wait $! 2>/dev/null || true
done
checkpoint() { ls -d killed/checkpoints/step-???????? >/dev/null 2>&1; }
if ! checkpoint; then  # where all is slow every kill came before the first one: one more, after it
  "$hone" train $options --out killed >/dev/null 2>>killed.log &
  until checkpoint; do
    kill -0 $! 2>/dev/null || fail "a run ended without a checkpoint"
    sleep 0.05
  done
  kill -9 $! && kills=$((kills + 1))
  wait $! 2>/dev/null || true
fi
found=$(run killed | hash_of)
[ "$found" = "$expected" ] || fail "after $kills kills the hash is $found, expected $expected"
again=$(run killed)
[ "$(echo "$again" | hash_of)" = "$expected" ] || fail "a finished run said another hash"
echo "$again" | grep -q '"event":"step"' && fail "a finished run did a step"
echo "$again" | grep -q '"seconds":0,"tokens_per_s":null,"loss":[0-9]' || fail "a finished run took time: $again"
none=$("$hone" train $options --steps 0 --out none 2>/dev/null)
echo "$none" | grep -q '"seconds":0,"tokens_per_s":null,"loss":null' || fail "a run of no step says: $none"
[ "$("$hone" hash killed)" = "$expected" ] || fail "hone hash says otherwise"
echo "the same hash after $kills kills: $expected"
