#!/bin/sh
# A run that is killed at any instant, also while it saves, goes on to the bits of an undisturbed one; a finished
# one, started again, does no step. Of all optimizers and precisions that the program names, each is killed a
# few times, and the least simple setting many times.   usage: kill_and_resume_test.sh HONE STEPS KILLS KILLS_OF_EACH
. "$(dirname "$0")/common.sh"
steps=$2

"$hone" train --help >help.txt
choices() {  # OPTION: the values that its help lists, "a, b or c ..." up to a bracket
  sed -n "s/^ *--$1 TEXT *\([^[(]*\).*/\1/p" help.txt | sed 's/,/ /g; s/ or / /g'
}
optimizers=$(choices optimizer) precisions=$(choices precision)
[ "$(echo $optimizers $precisions | wc -w)" -ge 5 ] || fail "the help says optimizers '$optimizers', precisions '$precisions'"
known() { for word in $2; do [ "$word" = "$1" ] && return 0; done; return 1; }

common="--model tiny --data text.txt --batch 8 --seq 64 --steps $steps --warmup 10 --save-every 1 --json"
run() {  # FOLDER OPTIONS: to its end
  folder=$1
  shift
  "$hone" train $common --out "$folder" "$@" 2>>"$folder.log"
}
newest() { ls -d "$1"/checkpoints/step-???????? 2>/dev/null | tail -n 1; }

# kill_often NAME KILLS OPTIONS: kills runs until so many died, each at an instant drawn from a span that follows
# from how far they came. One that ends before its kill must have the bits of the undisturbed one, and another begins.
seed=1
kill_often() {
  name=$1 kills=$2
  shift 2
  expected=$(run "$name-whole" "$@" | hash_of)
  [ -n "$expected" ] || fail "$name: the undisturbed run gave no hash: $(tail -n 1 "$name-whole.log")"
  span=1 died=0 saving=0 nth=1
  while [ $died -lt "$kills" ]; do
    before=$(newest "$name-$nth")
    seed=$((seed + 1))
    "$hone" train $common --out "$name-$nth" "$@" >"$name.out" 2>>"$name-$nth.log" &  # itself, not a shell around it
    sleep "$(awk -v seed=$seed -v span="$span" 'BEGIN { srand(seed); printf "%.3f", 0.02 + rand() * span }')"
    kill -9 $! 2>/dev/null || true
    code=0
    wait $! 2>/dev/null || code=$?
    if [ $code = 137 ]; then
      died=$((died + 1))
      ls -d "$name-$nth"/checkpoints/*.tmp >/dev/null 2>&1 && saving=$((saving + 1))
      [ "$before" != "$(newest "$name-$nth")" ] || span=$(awk -v span="$span" 'BEGIN { print 1.3 * span }')
    else
      [ $code = 0 ] || fail "$name: exit $code: $(tail -n 2 "$name-$nth.log")"
      [ "$(hash_of <"$name.out")" = "$expected" ] || fail "$name: other bits after $died kills"
      nth=$((nth + 1)) span=$(awk -v span="$span" 'BEGIN { print 0.6 * span }')
    fi
  done
  [ "$(run "$name-$nth" "$@" | hash_of)" = "$expected" ] || fail "$name: other bits after $died kills"
  ! grep -h "set aside" "$name"-*.log || fail "$name: a kill left a damaged checkpoint"
  echo "$name: the same hash after $died kills, $saving of them during a save: $expected"
}

optimizer=adamw precision=bf16
known muon "$optimizers" && optimizer=muon
known fp16 "$precisions" && precision=fp16
kill_often many "$3" --optimizer $optimizer --precision $precision --micro-batch 3 --dropout 0.1
for one in $optimizers; do kill_often "$one" "$4" --optimizer "$one" --micro-batch 3 --dropout 0.1; done
for one in $precisions; do kill_often "$one" "$4" --precision "$one"; done

# finished
again=$(run many-whole --optimizer $optimizer --precision $precision --dropout 0.1)  # another micro-batch is no other run
expected=$(run many-1 --optimizer $optimizer --precision $precision --dropout 0.1 | hash_of)
[ "$(echo "$again" | hash_of)" = "$expected" ] || fail "a finished run said another hash"
echo "$again" | grep -q '"event":"step"' && fail "a finished run did a step"
echo "$again" | grep -q '"seconds":0,"tokens_per_s":null,"loss":[0-9]' || fail "a finished run took time: $again"
none=$(run none --steps 0)
echo "$none" | grep -q '"seconds":0,"tokens_per_s":null,"loss":null' || fail "a run of no step says: $none"
[ "$("$hone" hash many-whole)" = "$expected" ] || fail "hone hash says otherwise"
