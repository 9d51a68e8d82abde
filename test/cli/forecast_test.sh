#!/bin/sh
# The forecast of memory against what was resident at most: never less, above 100 MiB at most a tenth more, below that at
# most 15 MiB more; with many threads, weights that files keep the other way round, saves, evaluations, longer texts, and
# texts that hold no place where a line ends, or a word; and with a tokenizer that is trained before.
# usage: forecast_test.sh HONE
. "$(dirname "$0")/common.sh"

config() {  # config FILE LAYERS HEADS WIDTH
  printf '{"model_type":"gpt2","n_layer":%d,"n_head":%d,"n_embd":%d,"n_positions":256,"vocab_size":256}' "$2" "$3" "$4" >"$1"
}
config wide.json 1 8 1024
i=0
while [ $i -lt 64 ]; do cat text.txt; i=$((i + 1)); done >long.txt

look() {  # look WHAT OPTION...: trains a little
  what=$1
  shift
  measure "$what" train "$@"
}
measure() {  # measure WHAT COMMAND OPTION...
  what=$1 command=$2
  shift 2
  rm -rf out
  "$hone" "$command" --json --seq 64 --steps 2 --out out "$@" >lines 2>err || fail "$what: $(cat err)"
  tail -n 1 lines | sed 's/.*"peak_bytes":\([0-9]*\),"forecast_bytes":\([0-9]*\).*/\1 \2/' >both
  read -r peak forecast <both
  holds "$what" "$peak" "$forecast"
}
holds() {  # holds WHAT PEAK FORECAST
  what=$1 peak=$2 forecast=$3
  awk -v peak="$peak" -v forecast="$forecast" -v what="$what" 'BEGIN {
    mib = 1048576
    printf "%s: %.1f MiB resident at most, %.1f forecast\n", what, peak / mib, forecast / mib
    exit !(peak > 0 && peak <= forecast && (peak >= 0.9 * forecast || (forecast - peak < 15 * mib && peak < 100 * mib)))
  }' || fail "$what: the forecast does not hold"
}
look "tiny" --model tiny --data text.txt --batch 4
look "tiny, one thread, bf16" --model tiny --data text.txt --batch 4 --threads 1 --precision bf16
look "tiny, many threads" --model tiny --data text.txt --batch 16 --threads 16
look "tiny, a longer text" --model tiny --data long.txt --batch 4

# 24 MB in one line, and 1.5 MB in one word.
tr '\n' ' ' <long.txt >line.txt
while [ "$(wc -c <line.txt)" -lt 24000000 ]; do cat line.txt line.txt >more.txt && mv more.txt line.txt; done
head -c 1500000 /dev/zero | tr '\0' a >word.txt
mkdir four
for i in 1 2 3 4; do ln -s ../line.txt four/$i.txt; done
"$hone" tokenizer train --data text.txt --vocab-size 300 --out bpe >/dev/null
"$hone" data build --data line.txt --tokenizer bpe --out shards >/dev/null
look "tiny, one line" --model tiny --data line.txt --batch 4
look "tiny, one line by characters" --model tiny --data line.txt --tokenizer char --batch 4
look "tiny, one line of BPE" --model tiny --data line.txt --tokenizer bpe --batch 4
look "tiny, one line as shards" --model tiny --data shards --batch 4
look "tiny, four such" --model tiny --data four --batch 4
look "tiny, one word" --model tiny --data word.txt --batch 4
look "tiny, one word of BPE" --model tiny --data word.txt --tokenizer bpe --batch 4
measure "the tokenizer of four such too" demo --model tiny --data four --vocab-size 1000 --batch 4 --sample-tokens 1

look "mini, saved and evaluated after each step" --model mini --data text.txt --batch 16 --save-every 1 --eval-every 1
look "mini, bf16" --model mini --data text.txt --batch 16 --precision bf16
look "nano, bf16" --model nano --data text.txt --batch 4 --precision bf16
look "one wide layer" --model wide.json --data text.txt --batch 2
cp -r out wide
look "its weights from a file" --model wide --data text.txt --batch 2
look "an adapter beside them" --model wide --data text.txt --batch 2 --lora-rank 8
look "an adapter beside them, bf16" --model wide --data text.txt --batch 2 --lora-rank 8 --precision bf16

# What learns from a teacher; its report says the peak, and the line in front of its first step three digits of the forecast.
taught() {  # taught WHAT OPTION...
  what=$1
  shift
  rm -rf student
  "$hone" distill teacher student --data text.txt --batch 16 --seq 64 --steps 2 --json "$@" >lines 2>err || fail "$what: $(cat err)"
  peak=$(sed 's/.*"peak_bytes":\([0-9]*\).*/\1/' lines)
  forecast=$(sed -n 's/.*; \([0-9.]*\) \([MG]\)iB of memory.*/\1 \2/p' err | awk '{ printf "%.0f", 1.005 * $1 * 1048576 * ($2 == "G" ? 1024 : 1) }')
}
look "mini, to teach" --model mini --data text.txt --batch 16
mv out teacher
taught "a teacher's logits" --student layers=2
holds "$what" "$peak" "$forecast"
taught "its hidden states and attention" --student layers=2 --hidden 1 --attention 1
holds "$what" "$peak" "$forecast"
taught "the same, bf16" --student layers=2 --hidden 1 --attention 1 --precision bf16
holds "$what" "$peak" "$forecast"
# here cutting takes more than learning, and what it took counts as if all that is held had stood beside it
taught "of a narrower student" --student layers=2,width=128,channels=256 --hidden 1
echo "$what: $peak bytes resident at most, $forecast forecast"
[ "$peak" -le "$forecast" ] || fail "$what: the forecast does not hold"
