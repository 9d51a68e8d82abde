#!/bin/sh
# `hone bench`: each kind of it measures something, says it in its keys, and no share of a limit is above what can be. How fast it
# is is no affair of a test.
# usage: bench_test.sh HONE
. "$(dirname "$0")/common.sh"

# bench KEYS ARGUMENTS...: one line with these keys
bench() {
  keys=$1
  shift
  "$hone" bench "$@" --threads 1 --json >line 2>err || fail "bench $*: $(cat err)"
  [ "$(wc -l <line)" = 1 ] || fail "bench $*: $(cat line)"
  for key in $keys; do grep -q "\"$key\":" line || fail "bench $*: no $key in $(cat line)"; done
}
number_of() { sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p" line; }

encode="encode --model minilm --batch 1 --seq 8"
for precision in "--precision f32" --int8; do
  bench "case ms tokens_per_s gflops limit_gflops share_of_limit peak_bytes op_ms" $encode $precision
  awk -v share="$(number_of share_of_limit)" 'BEGIN { exit !(share > 0 && share < 3) }' || fail "share: $(cat line)"
done
# ten million weights of a byte, not four; and the error against f32 that this costs
awk -v error="$(number_of error)" 'BEGIN { exit !(error > 0.0005 && error < 0.05) }' || fail "error: $(cat line)"
eight=$(number_of peak_bytes)
bench "" $encode --precision f32
[ "$(number_of peak_bytes)" -gt $((eight + 25000000)) ] || fail "int8 takes $eight bytes, f32 $(number_of peak_bytes)"
[ "$(number_of error)" = 0 ] || fail "an error of f32 against itself: $(cat line)"
bench "prefill_tokens_per_s decode_tokens_per_s prefill_op_ms op_ms" decode --model llama-tiny --precision f32 --prompt-tokens 8 --tokens 4
awk -v gops="$(number_of prefill_gops)" -v limit="$(number_of prefill_limit_gops)" -v share="$(number_of prefill_share_of_limit)" \
  'BEGIN { exit !(gops > 0 && share < 3 && share > 0.999 * gops / limit && share < 1.001 * gops / limit) }' || fail "$(cat line)"
bench "tokens_per_s share_of_limit" train --model tiny --batch 2 --seq 16 --steps 1

expect 2 "minilm" bench encode --model albert
expect 2 "int8" bench train --model tiny --int8 --batch 2 --seq 16 --steps 1 --isa none
echo "the benches measure"
