# pairs_test.sh HONE: training on pairs of texts from outside: files, made tasks, what is wrong with them.
. "$(dirname "$0")/common.sh"

awk 'BEGIN { for (i = 0; i < 40; ++i) printf "number %d\t%d\n", i, i * 7 % 40 }' >pairs.tsv
awk 'BEGIN { for (i = 0; i < 40; ++i) printf "{\"source\":\"number %d\",\"target\":\"%d\"}\n", i, i * 7 % 40 }' >pairs.jsonl
run="--model transformer-tiny --batch 4 --steps 3 --warmup 0 --json"

# one of each, with the same weights
"$hone" train $run --data pairs.tsv --out tsv >lines 2>err || fail "tsv: $(cat err)"
grep -q '"event":"done".*"bits_per_byte":null.*"weights_hash":"[0-9a-f]*",.*"accuracy":[0-9.e-]*,"exact_match":[0-9.e-]*}' lines ||
  fail "the done line: $(tail -n 1 lines)"
"$hone" train $run --data pairs.jsonl --out jsonl >lines2 2>err || fail "jsonl: $(cat err)"
[ "$(hash_of <lines)" = "$(hash_of <lines2)" ] || fail "the same pairs gave other weights"
gzip -c pairs.jsonl >packed.jsonl.gz
"$hone" train $run --data packed.jsonl.gz --out packed >lines2 2>err || fail "gz: $(cat err)"
[ "$(hash_of <lines)" = "$(hash_of <lines2)" ] || fail "the same pairs, packed, gave other weights"
"$hone" generate tsv --prompt "number 3" --temperature 0 -n 5 >/dev/null 2>err || fail "generate: $(cat err)"
# a file of sources, each with the target that it has alone, greedily and by beams
for i in 1 2 3; do echo "number $i"; done >sources.txt
for way in "" "--beams 3"; do
  "$hone" generate tsv --prompts sources.txt --temperature 0 -n 5 $way >all 2>err || fail "--prompts $way: $(cat err)"
  while read -r source; do
    "$hone" generate tsv --prompt "$source" --temperature 0 -n 5 $way 2>err || fail "generate $way: $(cat err)"
  done <sources.txt >each
  cmp -s all each || fail "--prompts $way gave $(cat all), one by one $(cat each)"
done
"$hone" generate tsv --prompt x -n 2 --temperature 0 --early-stopping >out 2>err || fail "early: $(cat err)"
grep -q "note: without effect without --beams: --early-stopping" err || fail "--early-stopping alone: $(cat err)"
"$hone" train $run --data pairs.tsv --packing --source-field a --out noted >lines2 2>err || fail "noted: $(cat err)"
grep -q "note: without effect on this data (pairs): --source-field, --packing" err || fail "no note of that: $(cat err)"
"$hone" train $run --data task:sums --tokenizer char --out sums >lines 2>err || fail "sums: $(cat err)"
"$hone" eval sums --data task:sums --json >report 2>err || fail "eval: $(cat err)"
grep -q '"pairs":2048,"exact_match":' report || fail "eval said $(cat report)"
"$hone" eval tsv --data pairs.tsv >report 2>err || fail "eval: $(cat err)"
grep -q 'exact match .* of 40 pairs' report || fail "eval said $(cat report)"
head -n 1 pairs.tsv >one.tsv
"$hone" eval tsv --data one.tsv >report 2>err || fail "eval of one pair: $(cat err)"
grep -q 'of 1 pairs' report || fail "eval of one pair said $(cat report)"
"$hone" train --model tiny --seq 16 --batch 2 --steps 1 --warmup 0 --data pairs.tsv --out text >lines 2>err || fail "text: $(cat err)"
grep -q "note: .*pairs.tsv is read as a text, tabs and all.*transformer-tiny" err || fail "pairs as a text: $(cat err)"
"$hone" plan --model transformer-tiny --data task:dates >/dev/null 2>err || fail "plan: $(cat err)"

new="train --model transformer-tiny --batch 2 --steps 1 --out new"
printf 'a\tb\nlonely\nc\td\n' >half.tsv
expect 3 "half.tsv, line 2: a pair lacks its target" $new --data half.tsv
printf 'a\tb\nc\td\te\n' >three.tsv
expect 3 "three.tsv, line 2: the line has a third column" $new --data three.tsv
printf '{"source":"a","target":"b"}\n{"source":"c"\n' >broken.jsonl
expect 3 "broken.jsonl, line 2, column .*not valid JSON" $new --data broken.jsonl
printf '{"source":"a","target":"b"}\n{"source":"c"}\n' >half.jsonl
expect 3 'half.jsonl, line 2: a pair lacks its target: expected "target"' $new --data half.jsonl
printf 'a\tb\n%s\td\n' "$(head -c 600 text.txt | tr '\n' ' ')" >long.tsv
expect 3 "long.tsv, line 2: the source is too long: expected at most 64 tokens, found 600.*--too-long" $new --data long.tsv --source-seq 64
expect 3 "long.tsv, line 2: the source is too long: expected at most 9 tokens, found 600" eval tsv --data long.tsv
expect 3 "long.tsv, line 2: the source is too long: expected at most 64 tokens" eval tsv --data long.tsv --source-seq 64
"$hone" eval tsv --data long.tsv --source-seq 64 --too-long drop >report 2>err || fail "eval --source-seq: $(cat err)"
grep -q 'of 1 pairs' report || fail "eval --source-seq --too-long drop: $(cat report)"
expect 3 "long.tsv, line 1: the target is too long: expected at most 0 tokens and the end" eval tsv --data long.tsv --source-seq 900 --seq 1
"$hone" eval text --data text.txt --source-seq 9 --max-tokens 9 >report 2>err || fail "eval: $(cat err)"
grep -q "note: without effect on a text: --source-seq" err || fail "eval --source-seq of a text: $(cat err)"
expect 2 "^hone: --too-long: .*error, drop or cut" $new --data long.tsv --too-long ignore
expect 2 "^hone: --label-smoothing: " $new --data pairs.tsv --label-smoothing 1
expect 2 "the nearest is task:sums" $new --data task:sum
expect 2 "the task's pairs are longer.*--too-long cut" eval tsv --data task:sums
expect 2 "reads a source" train --model tiny --data task:sums --out new
expect 3 "no such file" $new --data none.tsv
expect 3 "no pair is left to train on: expected 2 pairs or more" $new --data one.tsv
expect 3 '"text" is missing (hone data build --field .*transformer-tiny' train --model tiny --data pairs.jsonl --out new
"$hone" help train >out
for task in dates sums; do grep -q "task:$task" out || fail "help names no task:$task"; done
echo "pairs are learned, evaluated, and refused where they are none"
