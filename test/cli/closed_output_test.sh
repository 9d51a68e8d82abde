#!/bin/sh
# What cannot be written to stdout is a failure, said once; what is printed gets into no other file.
# usage: closed_output_test.sh HONE
. "$(dirname "$0")/common.sh"

unwritten() {  # CODE COMMAND: what it ended with, while nothing could be printed
  [ "$1" = 1 ] || fail "hone $2: exit $1, expected 1: $(cat err.log)"
  [ "$(grep -c '^hone: cannot write to stdout' err.log)" = 1 ] || fail "hone $2: $(cat err.log)"
}
run="--model tiny --data text.txt --seq 64 --batch 4 --warmup 0"
"$hone" train $run --steps 2 --out model >/dev/null 2>&1 || fail "a plain run failed"

while read -r command; do
  code=0
  "$hone" $command >/dev/full 2>err.log </dev/null || code=$?
  unwritten $code "$command >/dev/full"
  code=0
  "$hone" $command >&- 2>err.log </dev/null || code=$?
  unwritten $code "$command >&-"
done <<END
--version
help train
train --help
train $run --steps 2 --out model
train $run --steps 2 --out model --json
plan $run --json
eval model --data text.txt --max-tokens 256
generate model --prompt line -n 4
generate model --prompt line -n 4 --json
inspect model
hash model
tokenizer encode --tokenizer byte words
END

# standard streams that are closed lend their numbers to no file
"$hone" train $run --steps 3 --json --out closed <&- >&- 2>&- && fail "nobody read what was printed, and all is well"
"$hone" train $run --steps 3 --json --out quiet >/dev/null 2>&- || fail "without stderr a run fails"
for folder in closed quiet; do
  [ "$("$hone" hash $folder)" = "$("$hone" hash closed)" ] || fail "other weights in $folder"
  if grep -rl 'tok/s\|"event"' $folder; then fail "what is printed got into a file of $folder"; fi
done
echo "what cannot be printed is said"
