#!/bin/sh
# Recipes wherever they stand, folders of text, and JSON that is JSON.   usage: text_input_test.sh HONE
. "$(dirname "$0")/common.sh"

says() { # says FILE WORDS
  grep -q -- "$2" "$1" || fail "'$2' is not in: $(cat "$1")"
}

# Options before a recipe, behind it, a flag before it; what was typed wins.
printf 'model = "tiny"\ndata = "text.txt"\nseq = 32\nbatch = 4\nwarmup = 0\nsteps = 9\nout = "never"\n' >recipe.toml
first=$("$hone" train recipe.toml --steps 2 --out a --json 2>/dev/null | hash_of)
[ -n "$first" ] || fail "the recipe did not run"
for order in "--steps 2 recipe.toml --out b --json" "--json recipe.toml --out c --steps 2" \
  "--out d --recipe recipe.toml --steps=2 --json" "--recipe=recipe.toml --json --out e --steps 2"; do
  # shellcheck disable=SC2086  # the words of a command line
  [ "$("$hone" train $order 2>/dev/null | hash_of)" = "$first" ] || fail "train $order: another run"
done
[ ! -e never ] || fail "a recipe won over what was typed"

# A later recipe wins over an earlier one, which is said.
printf 'steps = 2\nout = "f"\n' >later.toml
[ "$("$hone" train recipe.toml later.toml --json 2>err.log | hash_of)" = "$first" ] || fail "two recipes: another run"
says err.log "^note: several recipes: recipe.toml, later.toml"

# recipe CODE WORDS TEXT: a recipe at fault is met by its line
recipe() {
  printf "$3" >bad.toml
  found=0
  "$hone" train --model tiny bad.toml --out new >out.log 2>err.log || found=$?
  [ "$found" = "$1" ] || fail "recipe '$3': exit $found, expected $1: $(cat err.log)"
  says err.log "$2"
  [ ! -e new ] || fail "recipe '$3' left a folder behind"
}
recipe 3 "bad.toml, line 2: unknown key 'stps' (did you mean steps?)" 'data = "text.txt"\nstps = 3\n'
recipe 3 "bad.toml, line 1: .*'training' is none" '[training]\nsteps = 3\n'
recipe 3 "bad.toml, line 2, column" 'steps = 1\nsteps 2\n'
recipe 3 "bad.toml, line 2: 'steps' has a value of another type" 'data = "text.txt"\nsteps = "many"\n'

# A folder: sub-folders are walked, a tenth of the text is held out, what is no text is named.
mkdir -p texts/sub
head -c 200 text.txt >texts/a.txt
head -c 50000 text.txt >texts/sub/b.txt
printf 'PK\003\004' >texts/c.zip
"$hone" data build --data texts --out shards >out.log 2>err.log || fail "data: $(cat err.log)"
says out.log "45181 tokens to train on and 5021 held out"
says err.log "c.zip (a ZIP archive)"
printf 'caf\351' >texts/sub/old.txt
found=0
"$hone" data build --data texts --tokenizer char --out broken 2>err.log || found=$?
[ "$found" = 3 ] || fail "characters of what is no UTF-8: exit $found"
says err.log "texts/sub/old.txt, byte 3"
rm texts/sub/old.txt
cp -r a texts/sub/model
"$hone" data build --data texts --out again >again.log 2>/dev/null
cmp -s out.log again.log || fail "a model below the folder was taken for text"

# A byte model says any bytes; its JSON is UTF-8 all the same.
"$hone" generate a -p A -n 30 --seed 1 --top-k 0 --top-p 1 >raw.log 2>/dev/null
iconv -f UTF-8 -t UTF-8 raw.log >/dev/null 2>&1 && fail "the sample has no broken byte, so this shows nothing"
"$hone" generate a -p A -n 30 --seed 1 --top-k 0 --top-p 1 --json >json.log
iconv -f UTF-8 -t UTF-8 json.log >/dev/null || fail "generate --json is not UTF-8"
says json.log '^{"text":".*","tokens":30,"finish":"length","prompt_tokens":1,"ids":\[\([0-9]*,\)\{29\}[0-9]*\]}$'

"$hone" plan recipe.toml --print-programs --json >out.log 2>/dev/null
[ "$(wc -l <out.log)" = 1 ] || fail "plan --json prints more than its one object"

# bf16 where the CPU has no products of it.
"$hone" plan recipe.toml --isa portable --precision bf16 --json >out.log 2>err.log
says err.log "note: portable has no bf16 products"
echo "text, recipes and JSON are as they should be"
