#!/bin/sh
# `hone help` as a newcomer uses it: every command that it lists has a help that opens with examples, in lines that fit;
# `hone help X` and `hone X --help` say the same.   usage: help_test.sh HONE
. "$(dirname "$0")/common.sh"

"$hone" help >list || fail "hone help: exit $?"
"$hone" --help | cmp - list || fail "hone help and hone --help differ"
commands=$(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' list)
for expected in demo train plan doctor help; do
  echo "$commands" | grep -qx $expected || fail "hone help lists no '$expected'"
done
look() {  # look WORDS...: at one command's help
  "$hone" help "$@" >text || fail "hone help $*: exit $?"
  "$hone" "$@" --help | cmp - text || fail "hone help $* and hone $* --help differ"
  sed -n 3p text | grep -qx "Examples:" || fail "hone help $* opens without examples"
  long=$(awk 'length > 120' text)
  [ -z "$long" ] || fail "hone help $*: a line that does not fit: $long"
  [ -z "$(tail -c 1 text)" ] || fail "hone help $* ends without a newline"
}
for command in $commands; do look "$command"; done
look tokenizer train
look data build
look data inspect
"$hone" help bench gemm >text || fail "hone help bench gemm: exit $?"
"$hone" help bench | cmp - text || fail "hone help bench gemm is not the help of bench"
refuse() {  # refuse WORDS COMMAND...: exit 2, nothing on stdout, WORDS on stderr
  words=$1 code=0
  shift
  "$hone" "$@" >out 2>err || code=$?
  [ $code = 2 ] || fail "hone $*: exit $code, expected 2"
  [ ! -s out ] || fail "hone $*: wrote to stdout"
  grep -q "$words" err || fail "hone $*: '$words' is not in: $(cat err)"
}
refuse "did you mean train" help trian
refuse "no commands below" help bench gem
refuse "did you mean encode" help tokenizer encod
refuse "did you mean train" trian --help
refuse "demo, plan, train"
echo "every help was read"
