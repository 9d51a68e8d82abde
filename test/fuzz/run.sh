#!/bin/sh
# run.sh FOLDER SECONDS [NAME...]: each fuzzer built in FOLDER (or those named) for so long, two at a time, from the files
# of test/data that are of its kind. What it finds stays in FOLDER/found: make it a file of test/data/fuzz/NAME.
set -u
folder=$1 seconds=$2
shift 2
data=$(dirname "$0")/../data

seeds() {
  case "$1" in
    safetensors) ls "$data"/models/*/model.safetensors ;;
    gguf) find "$data/gguf" -name '*.gguf' ;;
    config | json) ls "$data"/models/*/config.json ;;
    tokenizer_json) ls "$data"/tokenizers/*/tokenizer.json ;;
    chat_template) ls "$data"/chat_templates/*.jinja ;;
    encoded_text) ls "$data"/chat_templates/expressions.txt ;;
    raw_shards) ls "$data"/shards_1/*.tok ;;
  esac
  [ ! -d "$data/fuzz/$1" ] || ls "$data/fuzz/$1"/*
}

one() {
  corpus=$folder/corpus/$1
  mkdir -p "$corpus" "$folder/found/$1"
  for seed in $(seeds "$1"); do cp "$seed" "$corpus/$(echo "${seed#"$data"/}" | tr / _)"; done
  if "$folder/fuzz_$1" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -max_len=300000 \
    -artifact_prefix="$folder/found/$1/" "$corpus" >"$folder/$1.log" 2>&1; then
    sed -n "s/^Done \([0-9]*\) runs in \([0-9]*\) .*/fuzz $1: \1 inputs in \2 s/p" "$folder/$1.log"
  else
    tail -n 40 "$folder/$1.log" >&2
    echo "fuzz $1: FAILED, see $folder/found/$1"
    : >"$folder/failed"
  fi
}

rm -f "$folder/failed"
[ $# -gt 0 ] || set -- $(ls "$folder" | sed -n 's/^fuzz_//p')
while [ $# -gt 0 ]; do
  one "$1" &
  shift
  [ $# = 0 ] || { one "$1" & shift; }
  wait
done
[ ! -e "$folder/failed" ]
