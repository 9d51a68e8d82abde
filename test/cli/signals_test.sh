#!/bin/sh
# A run that is asked to stop says so at once, drops the step under way, saves what is done, and goes on later to
# the bits of an undisturbed one. A second signal ends it at once. What the system's limits refuse is an error.
# usage: signals_test.sh HONE
. "$(dirname "$0")/common.sh"

options="--model tiny --data text.txt --seq 64 --warmup 10 --dropout 0.1 --json"
long_step="--batch 8192 --micro-batch 4 --threads 1 --steps 9"  # half a million tokens: many seconds
start() {  # FOLDER OPTIONS: until it computes
  rm -f err.log  # that of the run before is not waited for
  $under "$hone" train $options --out "$@" >out.log 2>err.log &
  run=$!
  until grep -qs "of memory" err.log; do
    kill -0 $run 2>/dev/null || fail "the run ended: $(cat err.log)"
    sleep 0.02
  done
}
under=""
finish() { code=0; wait $run || code=$?; }
ended_within() {  # SECONDS
  for _ in $(seq $(($1 * 10))); do
    kill -0 $run 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 $run
  fail "still there $1 s after the signal"
}

# within a step
for signal in INT TERM HUP; do
  rm -rf stopped
  start stopped $long_step
  sleep 0.2
  kill -$signal $run
  ended_within 5
  finish
  [ $code = 1 ] || fail "SIG$signal: exit $code: $(cat err.log)"
  grep -q "^stopping" err.log || fail "SIG$signal: nothing says that it stops: $(cat err.log)"
  grep -q "^hone: stopped before a step was done" err.log || fail "SIG$signal: $(cat err.log)"
done

# between steps and within them, to the same bits
options="$options --batch 64 --micro-batch 4 --steps 30"
expected=$("$hone" train $options --out whole 2>/dev/null | hash_of)
for signal in INT TERM HUP INT; do
  start resumed
  sleep 0.33
  kill -$signal $run 2>/dev/null || true
  finish
  [ $code = 0 ] || grep -q "^hone: stopped" err.log || fail "SIG$signal: $(cat err.log)"
done
[ "$("$hone" train $options --out resumed 2>/dev/null | hash_of)" = "$expected" ] || fail "other bits after stops"

# a second signal; two hang-ups are one closed terminal; nohup keeps its promise
start twice $long_step
kill -STOP $run
kill -INT $run  # both arrive as it goes on
kill -TERM $run
kill -CONT $run
finish
[ $code = 130 ] || fail "two signals: exit $code: $(cat err.log)"
start hung --steps 9999
kill -HUP $run
kill -HUP $run
finish
grep -q "^hone: stopped" err.log || fail "two hang-ups: exit $code: $(cat err.log)"
under=nohup
start kept --steps 4
kill -HUP $run
finish
[ $code = 0 ] || fail "a run under nohup was stopped: $(cat err.log)"

# a reader that goes away (where that signal is ignored, the run ends first)
(code=0; "$hone" train $options --out piped 2>err.log || code=$?; echo $code >code) | head -n 1 >/dev/null
[ "$(cat code)" = 1 ] || fail "a reader gone: exit $(cat code): $(cat err.log)"
grep -q "^hone: stopped after step [0-9]*; its checkpoint is saved\|^hone: cannot write to stdout" err.log || fail "a reader gone: $(cat err.log)"
[ "$("$hone" train $options --out piped 2>/dev/null | hash_of)" = "$expected" ] || fail "other bits after a reader went"

# no file may grow beyond 100 blocks of 512 bytes
code=0
(ulimit -f 100 && "$hone" train $options --steps 2 --out limited >out.log 2>err.log) || code=$?
[ $code = 1 ] || fail "ulimit -f: exit $code: $(cat err.log)"
grep -q "^hone: .*the file grows beyond the size limit" err.log || fail "ulimit -f: $(cat err.log)"
[ -z "$(find limited -name '*.tmp' -o -name '.hone.lock')" ] || fail "ulimit -f: left $(find limited)"
# a model that is mapped, and cut short meanwhile
"$hone" quantize whole coded --bits 8 --data text.txt >/dev/null 2>err.log || fail "quantize: $(cat err.log)"
for i in $(seq 40); do cat text.txt; done >long.txt
"$hone" eval coded --data long.txt --seq 64 --threads 1 --json >out.log 2>err.log &
run=$!
until grep -qs model.safetensors /proc/$run/maps; do
  kill -0 $run 2>/dev/null || fail "the evaluation ended: $(cat err.log)"
done
sleep 0.2  # opened, and at work
truncate -s 4096 coded/model.safetensors
finish
[ $code = 3 ] || fail "a mapped file cut short: exit $code: $(cat err.log)"
grep -q "^hone: .*coded/model.safetensors: .*cut short while in use" err.log || fail "cut short: $(cat err.log)"
grep -q '"event":"error","exit_code":3' out.log || fail "cut short: $(cat out.log)"
# answers to many prompts, of which some are out
for i in $(seq 3000); do echo "line $i"; done >many.txt
rm -f out.log err.log  # those of the run before are not waited for
"$hone" generate whole --prompts many.txt -n 40 --threads 1 >out.log 2>err.log &
run=$!
until [ -s out.log ] 2>/dev/null; do kill -0 $run 2>/dev/null || fail "no answer: $(cat err.log)"; done
kill -INT $run
finish
[ $code = 1 ] || fail "generate, stopped: exit $code: $(cat err.log)"
grep -q "^hone: stopped after some of the answers" err.log || fail "generate, stopped: $(cat err.log)"
[ "$(wc -l <out.log)" -lt 3000 ] || fail "generate went on"
echo "every signal was heeded"
