# compress_memory_test.sh HONE: what making a model smaller was forecast to need against what was resident at most; --memory.
. "$(dirname "$0")/common.sh"

"$hone" train --model llama-tiny --data text.txt --out tiny --steps 2 --batch 4 --seq 32 >/dev/null 2>err || fail "$(cat err)"
"$hone" train --model mini --data text.txt --out mini --steps 1 --batch 2 --seq 64 >/dev/null 2>err || fail "$(cat err)"
number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$2"; }
text="--data text.txt --windows 8 --seq 64"
test="--eval-data text.txt --max-eval-tokens 2000 --speed-tokens 16"
# holds MODEL COMMAND ARGUMENTS...
holds() {
  model=$1 command=$2
  shift 2
  rm -rf made
  "$hone" $command $model made "$@" --json >line 2>err || fail "$command $*: $(cat err)"
  awk -v peak="$(number peak_bytes line)" -v forecast="$(number forecast_bytes line)" -v what="$model $command $*" 'BEGIN {
    printf "%s: %.1f MiB resident at most, %.1f forecast\n", what, peak / 1048576, forecast / 1048576
    exit !(peak > 0 && peak <= forecast)
  }' || fail "$command $*: the forecast does not hold: $(cat line)"
}
for model in tiny mini; do
  holds $model quantize
  holds $model quantize --group 48 --bits 3 $test
  holds $model quantize --method gptq $text $test
  holds $model quantize --method awq $text
  holds $model quantize --bits 3.5 $text $test
  holds $model quantize --method refined --bits 2 --steps 2 --batch 2 $text
  holds $model quantize --bits 8 --smooth 0.5 $text
  holds $model quantize --correction-rank 4 $test
  holds $model prune $test
  holds $model prune --sparsity 0.8 --storage bitmap $test
  holds $model prune --method wanda $text --storage bitmap
  holds $model prune --method sparsegpt --pattern 2:4 $text $test
  holds $model prune --pattern channels $text $test
  [ $model != tiny ] || holds $model prune --pattern heads --sparsity 0.5 $test
  holds $model prune --pattern layers --sparsity 0.5 $text $test
  holds $model prune --pattern width --sparsity 0.5 $text
  holds $model factorize $test
  holds $model factorize --method whitened $text $test
  holds $model factorize --method tensor-train --keep 0.5 $test
done

# less at once, the same numbers; and what does not fit, with the least that does
"$hone" quantize mini whole --method gptq $text $test --json >line 2>err || fail "$(cat err)"
"$hone" quantize mini new --method gptq $text $test --memory 1M --json >/dev/null 2>err && fail "fits into 1 MiB" || [ $? = 4 ] || fail "not 4: $(cat err)"
least=$(sed -n 's/.*at least \([0-9]*\) bytes.*/\1/p' err)
[ -n "$least" ] && [ "$least" -le "$(number forecast_bytes line)" ] || fail "more at once: $(cat err)"
[ ! -e new ] || fail "a folder is left"
"$hone" quantize mini less --method gptq $text $test --memory "$least" --json >line 2>err || fail "the least: $(cat err)"
[ "$(number peak_bytes line)" -le "$least" ] || fail "more than $least: $(cat line)"
[ "$("$hone" hash whole)" = "$("$hone" hash less)" ] || fail "less at once changes numbers"
expect 4 "least" quantize mini new --method gptq $text $test --memory $((least - 1))

# a text of fewer windows
head -c 1500 text.txt >short.txt
"$hone" quantize tiny short --method gptq --data short.txt >/dev/null 2>err || fail "$(cat err)"
grep -q "the text has [0-9]* windows of [0-9]* tokens" err || fail "said $(cat err)"
echo "forecasts of compressing hold"
