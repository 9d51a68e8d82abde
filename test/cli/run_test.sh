#!/bin/sh
# Chat and prompts from outside: turns from stdin, templates, stops, what is refused.
# usage: run_test.sh HONE
. "$(dirname "$0")/common.sh"

"$hone" train --model tiny --data text.txt --seq 160 --batch 4 --steps 3 --warmup 0 --out model >/dev/null 2>&1 ||
  fail "a plain run failed"

# expect CODE PATTERN ARGUMENTS...: ends so and says so; what it reads stands in the file `in`
expect() {
  code=$1 pattern=$2
  shift 2
  status=0
  "$hone" "$@" <in >out 2>err || status=$?
  [ $status = "$code" ] || fail "$*: exit code $status, not $code: $(cat err)"
  [ -z "$pattern" ] || grep -q -- "$pattern" err || fail "$*: said '$(cat err)', not '$pattern'"
}

# run
: >in
expect 3 "model: the model has no chat template.*--chat-template FILE" run model
printf "{%%- for m in messages %%}<{{ m.role }}>{{ m.content }}\n{%% endfor %%}{%% if add_generation_prompt %%}<assistant>{%% endif %%}" >model/chat_template.jinja
printf 'hello\n/clear\n\nagain\r\nand more' >in  # an empty line is no turn
expect 0 "^<user>again" run model -n 5 --temperature 0 --system S --verbose-prompt
grep -q "^<system>S" err || fail "the system message: $(cat err)"
[ "$(grep -c '^<assistant>' err)" -ge 2 ] || fail "the history: $(cat err)"
[ "$(grep -c '' out)" -ge 3 ] || fail "three turns gave: $(cat out)"
cp out first
expect 0 "" run model -n 5 --temperature 0 --system S
cmp -s out first || fail "the same chat gave another text"
echo "x /exit" >in; echo "/exit" >>in; echo "never" >>in
expect 0 "^<user>x /exit" run model -n 2 --verbose-prompt
if grep -q never err; then fail "/exit did not end it"; fi
for i in 1 2 3 4 5 6; do echo "turn $i of several that fill the context"; done >in
expect 0 "oldest messages are forgotten: the context has 150 tokens" run model -n 4 -c 150 --verbose-prompt --system KEEP
[ "$(grep -c '<system>KEEP' err)" = 6 ] || fail "the system message went: $(cat err)"
head -c 400 text.txt | tr '\n' ' ' >in
expect 3 "the prompt exceeds the context: expected less than 60 tokens" run model -c 60
echo '{{ messages | nosuch }}' >bad.jinja
expect 3 "bad.jinja, line 1, column 15: the filter 'nosuch' is not known" run model --chat-template bad.jinja
expect 3 "no such file" run model --chat-template none.jinja
expect 2 "unknown option '--temprature'" run model --temprature 1
echo hi >in
"$hone" run model -n 4 <in >/dev/full 2>err && fail "a full stdout went unnoticed"
grep -q "cannot write to stdout" err || fail "full stdout: $(cat err)"

# Ctrl-C stops the answer and not the program
mkfifo pipe
"$hone" run model --temperature 1 -n 100000 <pipe >out 2>err &
pid=$!
exec 3>pipe
echo "talk" >&3
sleep 1
kill -INT $pid
echo "again" >&3
sleep 1
kill -INT $pid
echo "/exit" >&3
exec 3>&-
wait $pid || fail "Ctrl-C ended the program with $?: $(cat err)"

# prompts
printf 'line 1 of\n' >in
a=$("$hone" generate model --prompt "$(cat in)" -n 8 --seed 4 2>/dev/null)
[ "$("$hone" generate model --prompt-file in -n 8 --seed 4 2>/dev/null)" != "" ] || fail "--prompt-file"
printf 'line 1 of' >in
[ "$("$hone" generate model --prompt - -n 8 --seed 4 <in 2>/dev/null)" = "$a" ] || fail "--prompt -"
[ "$("$hone" generate model -f in -n 8 --seed 4 2>/dev/null)" = "$a" ] || fail "--prompt-file"
printf '{"prompt":"line 2"}\n{"prompt":"line 1 of"}\n{"prompt":"q"}\n' >p.jsonl
"$hone" generate model --prompts p.jsonl -n 8 --seed 4 --json >out 2>err || fail "--prompts: $(cat err)"
[ "$(wc -l <out)" = 3 ] || fail "--prompts gave $(cat out)"
one=$("$hone" generate model --prompt "line 1 of" -n 8 --seed 4 --json 2>/dev/null)
[ "$(sed -n 's/,"prompt":"line 1 of"//p' out)" = "$one" ] || fail "together $(cat out), alone $one"
"$hone" generate model --prompts p.jsonl -n 8 --seed 4 --json --parallel 1 >out2 2>err || fail "--parallel 1: $(cat err)"
cmp -s out out2 || fail "--parallel changes texts"

# a prompt's cache
for again in 1 2; do
  "$hone" generate model --prompt "line 1 of" -n 8 --seed 4 --prompt-cache cache >out 2>err$again || fail "cache: $(cat err$again)"
  [ "$(cat out)" = "$a" ] || fail "with --prompt-cache: $(cat out)"
done
grep -q "came from cache" err2 || fail "the cache was not used: $(cat err2)"
"$hone" generate model --prompt "line 1 of" -n 2 --precision bf16 --prompt-cache cache >out 2>err || fail "bf16: $(cat err)"
grep -q "note: cache is not used, and written anew: it is of another precision" err || fail "bf16: $(cat err)"
echo text >foreign
expect 3 "foreign: " generate model --prompt x --prompt-cache foreign
[ "$(cat foreign)" = text ] || fail "a foreign file was written over"
truncate -s -9 cache
"$hone" generate model --prompt "line 1 of" -n 8 --seed 4 --prompt-cache cache >out 2>err || fail "a cache cut short: $(cat err)"
grep -q "note: cache is not used, and written anew: it is damaged" err || fail "a cache cut short: $(cat err)"
[ "$(cat out)" = "$a" ] || fail "with a cache cut short: $(cat out)"
expect 3 "the prompt exceeds the context: expected at most 10 tokens" generate model --prompt-file text.txt -c 10
expect 2 "a prompt is given once" generate model --prompt x --prompts p.jsonl
expect 3 "no such file" generate model --prompts none.jsonl
"$hone" generate model --prompt "line" -n 60 --temperature 0 --stop " of" --json >out 2>err || fail "--stop: $(cat err)"
echo "chats and prompts are answered, stopped, kept, and refused where they are none"
