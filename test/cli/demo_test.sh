# demo_test.sh HONE: a demo goes on to make smaller models of what it trained, once, and shows them.
. "$(dirname "$0")/common.sh"

demo() { "$hone" demo --model tiny --data text.txt --batch 4 --seq 32 --vocab-size 300 --sample-tokens 4 --warmup 1 "$@" 2>err; }

demo --out demo --steps 6 --json >lines || fail "demo: $(cat err)"
tail -n 1 lines | grep -q '^{"event":"done".*"sample":.*"compressed":\[{"technique":"as it was trained"' || fail "done: $(tail -n 1 lines)"
[ "$(grep -c '^{"technique":.*"event":"compressed"}$' lines)" = 9 ] || fail "events: $(grep -c compressed lines) $(cat err)"
for folder in distilled pruned sparse low-rank packed int8 int4 int3; do
  "$hone" generate demo/$folder --prompt line -n 2 >/dev/null 2>err || fail "$folder: $(cat err)"
  grep -q "quantized: 8 bits" demo/report.html || fail "no row in the report"
done
grep -Eq '"folder":"demo/int8","bytes":[0-9]+.*"perplexity":[0-9.]+,"perplexity_low".*"kl":[0-9.e-]+,"flipped":[0-9.e-]+,"prefill_tokens_per_s":[0-9]' lines ||
  fail "numbers: $(cat lines)"

# once more: no step, nothing made, the same shown
cp demo/compressed.json kept.json
demo --out demo --steps 6 --json >again || fail "again: $(cat err)"
! grep -q '"event":"step"' again && cmp -s kept.json demo/compressed.json || fail "made again: $(cat err)"
grep '"event":"compressed"' lines >first
grep '"event":"compressed"' again | cmp -s first || fail "other numbers"
demo --out demo --steps 6 >table || fail "table: $(cat err)"
grep -q "^quantized: 4 bits, gptq " table && grep -q "hone generate demo/" table || fail "table: $(cat table)"

# other weights: all of it is made again
demo --out demo --steps 8 --json >more || fail "more: $(cat err)"
[ "$(grep -c '"event":"compressed"' more)" = 9 ] && ! cmp -s kept.json demo/compressed.json || fail "not made again: $(cat err)"

# what was begun and never measured is made again; a folder that is somebody's own is left alone
sed 's/,{"technique":"quantized: 3 bits.*}]/]/' demo/compressed.json >cut && mv cut demo/compressed.json
demo --out demo --steps 8 --json >rest || fail "rest: $(cat err)"
[ "$(grep -c "^demo: " err)" = 1 ] && [ "$(grep -c '"event":"compressed"' rest)" = 9 ] || fail "rest: $(cat err)"
demo --out own --steps 2 --no-compress >out || fail "plain: $(cat err)"
[ ! -e own/compressed.json ] || fail "--no-compress made models"
cp -r demo/int8 own/int8 && "$hone" hash own/int8 >mine
demo --out own --steps 2 --json >out || fail "own: $(cat err)"
"$hone" hash own/int8 | cmp -s mine && grep -q "holds a model" err || fail "own: $(cat err)"
echo "demos are as they should be"
