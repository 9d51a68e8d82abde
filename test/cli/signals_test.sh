#!/bin/sh
# A run that is asked to stop says so at once, drops the step under way, saves what is done, and goes on later to
# the bits of an undisturbed one. A second signal ends it at once. What the system's limits refuse is an error.
# usage: signals_test.sh HONE
. "$(dirname "$0")/common.sh"

options="--model tiny --data text.txt --seq 64 --warmup 10 --dropout 0.1 --json"
long_step="--batch 8192 --micro-batch 4 --steps 9"  # half a million tokens: half a minute and more
started() {  # PID LOG: it computes
  until grep -q "of memory" "$2"; do
    kill -0 "$1" 2>/dev/null || fail "the run ended: $(cat "$2")"
    sleep 0.02
  done
}
ended_within() {  # SECONDS PID
  for _ in $(seq $(($1 * 10))); do
    kill -0 "$2" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$2"
  fail "still there $1 s after the signal"
}

# within a step
for signal in INT TERM HUP; do
  rm -rf stopped
  "$hone" train $options $long_step --out stopped >out.log 2>err.log &
  started $! err.log
  sleep 0.2
  kill -$signal $!
  ended_within 5 $!
  code=0
  wait $! || code=$?
  [ $code = 1 ] || fail "SIG$signal: exit $code: $(cat err.log)"
  grep -q "^stopping" err.log || fail "SIG$signal: nothing says that it stops: $(cat err.log)"
  grep -q "^hone: stopped before a step was done" err.log || fail "SIG$signal: $(cat err.log)"
done

# between steps and within them, to the same bits
options="$options --batch 64 --micro-batch 4 --steps 30"
expected=$("$hone" train $options --out whole 2>/dev/null | hash_of)
for signal in INT TERM HUP INT; do
  "$hone" train $options --out resumed >/dev/null 2>err.log &
  started $! err.log
  sleep 0.33
  kill -$signal $! 2>/dev/null || true
  wait $! || grep -q "^hone: stopped" err.log || fail "SIG$signal: $(cat err.log)"
done
[ "$("$hone" train $options --out resumed 2>/dev/null | hash_of)" = "$expected" ] || fail "other bits after stops"

# a second signal; two hang-ups are one closed terminal; nohup keeps its promise
"$hone" train $options $long_step --out twice >out.log 2>err.log &
started $! err.log
kill -STOP $!
kill -INT $!  # both arrive as it goes on
kill -TERM $!
kill -CONT $!
code=0
wait $! || code=$?
[ $code = 130 ] || fail "two signals: exit $code: $(cat err.log)"
"$hone" train $options --steps 9999 --out hung >out.log 2>err.log &
started $! err.log
kill -HUP $!
kill -HUP $!
wait $! || grep -q "^hone: stopped" err.log || fail "two hang-ups: $(cat err.log)"
nohup "$hone" train $options --steps 4 --out kept >out.log 2>err.log &
started $! err.log
kill -HUP $!
wait $! || fail "a run under nohup was stopped: $(cat err.log)"

# no file may grow beyond 100 blocks of 512 bytes
code=0
(ulimit -f 100 && "$hone" train $options --steps 2 --out limited >out.log 2>err.log) || code=$?
[ $code = 1 ] || fail "ulimit -f: exit $code: $(cat err.log)"
grep -q "^hone: .*the file grows beyond the size limit" err.log || fail "ulimit -f: $(cat err.log)"
[ -z "$(find limited -name '*.tmp' -o -name '.hone.lock')" ] || fail "ulimit -f: left $(find limited)"
echo "every signal was heeded"
