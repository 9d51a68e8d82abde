# distill_test.sh HONE: a student from outside: made of its teacher's layers, gone on with, and what is wrong with either.
. "$(dirname "$0")/common.sh"

"$hone" train --model tiny --data text.txt --out teacher --tokenizer char --steps 30 --batch 4 --seq 32 --warmup 2 --lr 5e-3 2>err ||
  fail "teacher: $(cat err)"
"$hone" hash teacher >teacher.hash
how="--data text.txt --batch 4 --seq 32 --warmup 0 --lr 3e-3"

"$hone" distill teacher whole --student layers=1 $how --steps 8 --json >lines 2>err || fail "distill: $(cat err)"
grep -q "begin as the teacher's 0" err || fail "no map of layers: $(cat err)"
[ "$(wc -l <lines)" = 1 ] && grep -Eq '^{"bytes":[0-9]*,"bits_a_weight":32,"perplexity_before":[0-9.]*,"perplexity_after":[0-9.]*,"kl":[0-9.e-]*' lines ||
  fail "done: $(cat lines)"
hash=$(hash_of <lines)
[ -n "$hash" ] && [ "$("$hone" hash whole)" = "$hash" ] || fail "hash: $(cat lines)"
[ "$("$hone" hash teacher)" = "$(cat teacher.hash)" ] || fail "the teacher changed"
"$hone" generate whole --prompt line -n 4 >/dev/null 2>err || fail "generate: $(cat err)"
grep -q '"n_layer": 1' whole/config.json || fail "config: $(cat whole/config.json)"

"$hone" distill teacher parts --student layers=1 $how --steps 8 --save-every 4 2>err || fail "distill: $(cat err)"
rm -r parts/checkpoints/step-00000008 parts/model.safetensors
"$hone" distill teacher parts --student layers=1 $how --steps 8 --micro-batch 3 --threads 1 --json >lines 2>err || fail "resume: $(cat err)"
grep -q "resumed from" err || fail "no resume: $(cat err)"
[ "$(hash_of <lines)" = "$hash" ] || fail "resumed, other weights"

"$hone" distill teacher cached --student layers=1 $how --steps 8 --teacher-cache soft --json >lines 2>err || fail "cache: $(cat err)"
[ "$(hash_of <lines)" = "$hash" ] || fail "by kept soft labels, other weights"
"$hone" distill teacher again --student layers=1 $how --steps 8 --teacher-cache soft --json >lines 2>err || fail "cache: $(cat err)"
[ "$(hash_of <lines)" = "$hash" ] || fail "by soft labels that were there, other weights"
! grep -q "computes the soft labels" err || fail "computed again: $(cat err)"

# narrower than its teacher in each way, cut below OUT, found there when the run goes on
"$hone" distill teacher narrow --student layers=1,width=64,channels=100 $how --steps 4 --save-every 2 --json >lines 2>err || fail "narrow: $(cat err)"
grep -q "begin as the teacher's 0" err && grep -q "64 of 128 channels of the width went, and 2 heads" err && grep -q "412 of 512 channels went" err ||
  fail "nothing said of what went: $(cat err)"
for key in '"n_embd": 64' '"n_head": 2' '"n_inner": 100' '"n_layer": 1'; do grep -q "$key" narrow/config.json || fail "no $key"; done
hash=$(hash_of <lines)
rm -r narrow/checkpoints/step-00000004 narrow/model.safetensors
"$hone" distill teacher narrow --student layers=1,channels=100,width=64 $how --steps 4 --micro-batch 1 --json >lines 2>err || fail "narrow: $(cat err)"
grep -q "resumed from" err && ! grep -q "channels went" err || fail "cut again: $(cat err)"
[ "$(hash_of <lines)" = "$hash" ] || fail "resumed, another narrow student"
"$hone" generate narrow --prompt line -n 4 >/dev/null 2>err || fail "generate: $(cat err)"
expect 2 "another model" distill teacher narrow --student layers=1,width=32 $how --steps 5
expect 2 "n_inner" distill teacher narrow --student layers=1,width=64,channels=99 $how --steps 5
expect 2 "1 to 128" distill teacher new --student width=200 $how
expect 3 "fewer heads .*expected 4, as the model has" distill teacher new --student heads=2 $how
expect 3 "fewer heads .*expected 2, as the model has" distill teacher new --student width=64,heads=1 $how
expect 2 "layers are counted twice" distill teacher new --student layers=1,layers=2 $how
expect 2 "expected layers=N, width=N.*found ''" distill teacher new --student "" $how
expect 2 "expected a model folder.*found ''" train --model "" --data text.txt --out new
expect 2 "1 to 2" distill teacher new --student layers=3,width=64 $how
expect 2 "width=N" distill teacher new --student layers=1,depth=64 $how
expect 2 "alpha" distill teacher new --student width=64 $how --alpha 2
[ ! -e new ] || fail "something was written"

# heads that the width leaves may be named; another config is another teacher, with the same weights too
"$hone" distill teacher headed --student layers=1,width=64,channels=100,heads=2 $how --steps 4 --json >lines 2>err || fail "heads: $(cat err)"
[ "$(hash_of <lines)" = "$hash" ] || fail "heads=2 of a width that has two is another student"
cp -r teacher other && sed -i 's/"layer_norm_epsilon": [0-9.e-]*/"layer_norm_epsilon": 0.01/' other/config.json
grep -q '"layer_norm_epsilon": 0.01' other/config.json || fail "no epsilon: $(cat other/config.json)"
mkdir recut && cp -r narrow/student recut
"$hone" distill other recut --student layers=1,width=64,channels=100 $how --steps 1 >/dev/null 2>err || fail "other: $(cat err)"
grep -q "channels went" err && grep -q '"layer_norm_epsilon": 0.01' recut/config.json || fail "another config's student was not cut anew: $(cat err)"
rm -r recut

# what is cut short is cut again; what somebody has there stays
mkdir recut && cp -r narrow/student recut
head -c 1000 narrow/student/model.safetensors >recut/student/model.safetensors
"$hone" distill teacher recut --student layers=1,width=64,channels=100 $how --steps 4 --json >lines 2>err || fail "recut: $(cat err)"
grep -q "channels went" err && [ "$(hash_of <lines)" = "$hash" ] || fail "not cut again: $(cat err)"
mkdir -p mine && cp -r teacher mine/student
expect 2 "no distillation made" distill teacher mine --student width=64 $how
rm narrow/student/made_of.txt && mkfifo narrow/student/made_of.txt
expect 3 "made_of.txt: it is not a regular file" distill teacher narrow --student layers=1,width=64,channels=100 $how --steps 5
expect 2 "would replace its teacher" distill mine/student mine --student width=64 $how
cmp -s teacher/model.safetensors mine/student/model.safetensors || fail "somebody's model was touched"

# hidden states besides, against those of a layer that is said
"$hone" distill teacher inside --student layers=1 $how --steps 2 --hidden 0.5 --map 0=1 --json >lines 2>err || fail "hidden: $(cat err)"
grep -q "the student's layer = the teacher's: 0=1" err || fail "no map of states: $(cat err)"
expect 2 "the teacher has no such layer" distill teacher new --student layers=1 $how --hidden 1 --map 0=2
expect 2 "no map of layers" distill teacher new --student layers=1 $how --hidden 1 --map 0-1
expect 2 "no --hidden" distill teacher new --student layers=1 $how --map 0=1
expect 2 "teacher-cache" distill teacher new --student layers=1 $how --hidden 1 --teacher-cache soft
expect 2 "another --hidden" distill teacher inside --student layers=1 $how --hidden 1 --map 0=1 --steps 3

"$hone" distill teacher untaught --student layers=1 $how --steps 1 --alpha 0 --top-k 4 >/dev/null 2>err || fail "alpha 0: $(cat err)"
grep -q "^note: without effect with --alpha 0.*: --top-k$" err || fail "alpha 0: $(cat err)"

expect 5 "its checkpoints stay" distill teacher ruined --student layers=1 $how --steps 1 --max-loss-increase 0%
[ ! -e ruined/model.safetensors ] || fail "a student beyond the limit is there"
# examples are no text: the student is there, and nothing is said of its quality
for i in 1 2 3 4 5 6 7 8 9; do echo '{"prompt": "line", "completion": " of it"}'; done >examples.jsonl
"$hone" distill teacher taught --student layers=1 --data examples.jsonl --batch 2 --seq 16 --warmup 0 --steps 2 --json >lines 2>err ||
  fail "examples: $(cat err)"
grep -q '"perplexity_before":null' lines && grep -q "note: no text was given" err || fail "examples: $(cat lines err)"
expect 2 "needs a text" distill teacher new --student layers=1 --data examples.jsonl --steps 2 --max-loss-increase 3%
"$hone" data build --data text.txt --tokenizer teacher --out shards >/dev/null 2>err || fail "shards: $(cat err)"
"$hone" distill teacher sharded --student layers=1 --data shards --batch 4 --seq 32 --warmup 0 --steps 2 --json >lines 2>err || fail "shards: $(cat err)"
grep -q '"perplexity_before":[0-9]' lines || fail "shards: $(cat lines)"
expect 2 "layers=N" distill teacher new --student layers=x $how
expect 2 "1 to 2" distill teacher new --student layers=3 $how
expect 2 "--student" distill teacher new $how
expect 2 "--train" distill teacher new --student layers=1 $how --train corrections
expect 2 "width=N, N a multiple of 32, 1 to 128" distill teacher new --student width=200 $how
expect 2 "alpha" distill teacher new --student layers=1 $how --alpha 2
expect 2 "temperature" distill teacher new --student layers=1 $how --temperature 0
expect 2 "another --alpha" distill teacher whole --student layers=1 $how --steps 9 --alpha 0.1
expect 2 "teacher: it is the folder of the teacher, which would be replaced (name another OUT)" distill teacher teacher --student layers=1 $how
expect 2 "whole: it is the folder of the student, which would be replaced" distill teacher whole --student whole $how
expect 3 "another vocabulary" distill teacher new --student layers=1 $how --tokenizer byte
expect 3 "nowhere" distill nowhere new --student layers=1 $how
[ ! -e new/model.safetensors ] && [ ! -e new/config.json ] || fail "something was written"
echo "students are as they should be"
