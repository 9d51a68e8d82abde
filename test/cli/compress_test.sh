# compress_test.sh HONE: making models smaller from outside: what is written, said and refused.
. "$(dirname "$0")/common.sh"

"$hone" train --model tiny --data text.txt --out base --steps 50 --batch 4 --seq 32 --warmup 2 --lr 5e-3 2>err || fail "base: $(cat err)"
"$hone" hash base >base.hash

keys='^{"bytes":[0-9]*,"bits_a_weight":32,"perplexity_before":[0-9.]*,"perplexity_after":[0-9.]*,"kl":[0-9.e-]*,"flipped":[0-9.e-]*,"seconds":[0-9.e-]*,"peak_bytes":[0-9]*[,}]'
"$hone" prune base half --sparsity 0.5 --eval-data text.txt --max-eval-tokens 1000 --json >line 2>err || fail "prune: $(cat err)"
grep -Eq "$keys" line || fail "keys: $(cat line)"
"$hone" eval half --data text.txt --max-tokens 100 >/dev/null || fail "the model does not open"
[ -f half/tokenizer.json ] || fail "no tokenizer beside it"
[ "$("$hone" hash base)" = "$(cat base.hash)" ] || fail "the source changed"
[ "$("$hone" hash half)" != "$(cat base.hash)" ] || fail "nothing was pruned"

for key in prefill_tokens_per_s_before prefill_tokens_per_s_after decode_tokens_per_s_before decode_tokens_per_s_after; do
  grep -Eq "\"$key\":[0-9]" line || fail "no $key: $(cat line)"
done
"$hone" prune base shown --sparsity 0.5 --eval-data text.txt --max-eval-tokens 1000 --speed-tokens 0 --report shown.html --json >line 2>err ||
  fail "report: $(cat err)"
! grep -q tokens_per_s line || fail "speed was not asked for: $(cat line)"
grep -q "Smaller models" shown.html && grep -q "<span>prune</span> <span>base</span> <span>shown</span>" shown.html || fail "report: $(cat shown.html)"
expect 1 "no such folder for the report" prune base new --sparsity 0.5 --report nowhere/r.html
expect 2 "text.txt: what is there is no report, and would be replaced" prune base new --sparsity 0.5 --report text.txt
"$hone" prune base reported --sparsity 0.5 --report shown.html >/dev/null 2>err || fail "an older report is replaced: $(cat err)"

# without a text nothing is known of the quality, and it says so
"$hone" prune base unmeasured --pattern 2:4 --json >line 2>err || fail "prune: $(cat err)"
grep -q '"perplexity_before":null,"perplexity_after":null,"kl":null,"flipped":null' line || fail "keys: $(cat line)"
grep -q "note: no text was given" err || fail "said $(cat err)"
"$hone" prune base table --pattern 16x1 --sparsity 0.25 --data text.txt >out 2>err || fail "prune: $(cat err)"
grep -q "perplexity after" out || fail "table: $(cat out)"


# methods that learn from --data, and parts that leave a smaller model
for method in wanda ria sparsegpt; do
  "$hone" prune base $method --method $method --data text.txt --windows 4 --max-eval-tokens 500 --json >line 2>err || fail "$method: $(cat err)"
  [ "$("$hone" hash $method)" != "$("$hone" hash half)" ] || fail "$method is magnitude"
done
for pattern in channels layers; do
  "$hone" prune base $pattern --pattern $pattern --data text.txt --windows 4 --max-eval-tokens 500 >out 2>err || fail "$pattern: $(cat err)"
  grep -q " went" err || fail "$pattern: said $(cat err)"
  "$hone" eval $pattern --data text.txt --max-tokens 100 >/dev/null || fail "$pattern does not open"
done
grep -q '"n_inner": 256' channels/config.json || fail "channels: $(cat channels/config.json)"
grep -q '"n_layer": 1' layers/config.json || fail "layers: $(cat layers/config.json)"

# a pruned model's zeros stay zero by every method, unless that is not wanted, and the report has both shares
zeros='"zeros_before":0\.(49|5)[0-9]*,"zeros_after":0\.[5-9]'
for method in rtn gptq awq "refined --steps 2"; do
  rm -rf quarter
  "$hone" quantize half quarter --bits 4 --group 32 --method $method --data text.txt --windows 4 --seq 64 --max-eval-tokens 500 --json >line 2>err || fail "$method: $(cat err)"
  grep -q "note: [45][0-9]\.[0-9] % of the products' weights are zero, and stay so" err || fail "$method: said $(cat err)"
  grep -Eq "$zeros" line || fail "$method: zeros: $(cat line)"
done
"$hone" quantize half quarter-any --bits 4 --group 32 --symmetric=false --json >line 2>err || fail "asymmetric: $(cat err)"
! grep -q "stay so" err && grep -Eq '"zeros_after":0\.[0-3]' line || fail "asymmetric: $(cat err line)"
"$hone" quantize base quarter-base --bits 4 --group 32 >out 2>err || fail "base: $(cat err)"
! grep -q "stay so" err && grep -q "^zeros .* 0\.0 % before" out || fail "of no pruned model: $(cat err out)"
"$hone" train --model half --data text.txt --out unhealed --steps 1 --batch 4 --seq 32 --warmup 0 >/dev/null 2>err || fail "train: $(cat err)"
grep -q "note: [45][0-9.]* % of the products' weights are zero, and will not stay so: --keep-zeros" err || fail "train: said $(cat err)"

# what has no effect is said
said() {
  pattern=$1
  shift
  rm -rf void
  "$hone" "$@" >/dev/null 2>err || fail "$*: $(cat err)"
  grep -q "^note: without effect $pattern" err || fail "$*: '$pattern' is not said: $(cat err)"
}
learning="--data text.txt --windows 4 --seq 64 --max-eval-tokens 500"
said "with --size.*: --bits, --table-bits$" quantize base void --size 1MB --bits 3 --table-bits 4 $learning
said "without --method refined: --steps, --lr$" quantize base void --steps 3 --lr 1e-3
said "where nothing is learned from a text: --windows, --seq$" quantize base void --windows 3 --seq 32
said "where nothing is learned.*--eval-data measures: --data$" quantize base void --data text.txt --eval-data text.txt --max-eval-tokens 99
said "without a text: --max-eval-tokens, --speed-tokens$" prune base void --max-eval-tokens 9 --speed-tokens 0
said "on whole parts, --pattern channels: --method$" prune base void --pattern channels --method wanda
said "where nothing is learned from a text: --seq$" prune base void --seq 32
said "where nothing is learned from a text: --calibration$" factorize base void --calibration none
said "without a text: --tokenizer$" pack base void --tokenizer byte
"$hone" quantize base void2 --method refined --steps 1 --bits 2 $learning >/dev/null 2>err || fail "refined: $(cat err)"
! grep -q "without effect" err || fail "refined: $(cat err)"

# a pruned model is healed with its zeros kept; the run is one with them
"$hone" train --model half --data text.txt --out healed --steps 4 --save-every 2 --batch 4 --seq 32 --warmup 0 --keep-zeros --json >lines 2>err || fail "heal: $(cat err)"
"$hone" prune healed again --sparsity 0.5 2>err >/dev/null || fail "prune: $(cat err)"
[ "$("$hone" hash again)" = "$("$hone" hash healed)" ] || fail "zeros did not stay"
[ "$("$hone" hash healed)" != "$("$hone" hash half)" ] || fail "nothing was trained"
expect 2 "keep-zeros" train --model half --data text.txt --out healed --steps 5 --batch 4 --seq 32 --warmup 0
expect 2 "zeros do not stay" train --model half --data text.txt --out new --seq 32 --keep-zeros --optimizer muon

# one calibration for several methods
"$hone" quantize base by-gptq --bits 4 --group 32 --method gptq --data text.txt --seq 64 --windows 8 --calibration moments >/dev/null 2>err || fail "$(cat err)"
cp moments moments.first
"$hone" prune base by-wanda --method wanda --data text.txt --seq 64 --windows 8 --calibration moments >/dev/null 2>err || fail "$(cat err)"
cmp moments moments.first || fail "the calibration was made again"
expect 3 "another sample" prune base new --method wanda --data text.txt --seq 64 --windows 4 --calibration moments

# pruned while it is trained; a run that goes on is one with the same pruning
grow="--data text.txt --out grown --steps 8 --batch 4 --seq 32 --warmup 0 --sparsity 0.5 --pattern 2:4 --prune-start 1 --prune-end 6 --prune-every 2"
"$hone" train --model base $grow --json >lines 2>err || fail "gradual: $(cat err)"
grep -q '"step":1,.*"sparsity":0}' lines && grep -q '"step":8,.*"sparsity":0.5}' lines || fail "shares: $(cat lines)"
"$hone" prune grown again2 --pattern 2:4 2>err >/dev/null || fail "prune: $(cat err)"
[ "$("$hone" hash again2)" = "$("$hone" hash grown)" ] || fail "the mask is not 2:4's"
"$hone" plan --model base $grow >/dev/null 2>err || fail "plan: $(cat err)"
expect 2 "prune-every" train --model base $grow --prune-every 3
expect 2 "another --pattern" train --model base $grow --pattern 4x1
expect 2 "another --sparsity" train --model base --data text.txt --out grown --steps 8 --batch 4 --seq 32 --warmup 0
expect 2 "no share of zeros" train --model base --data text.txt --out new --pattern 2:4
expect 2 "so that a step is left" train --model base --data text.txt --out new --seq 32 --steps 5 --sparsity 0.5 --prune-end 5
expect 2 "0.5: of each four" train --model base --data text.txt --out new --seq 32 --steps 5 --sparsity 0.6 --pattern 2:4

# without their zeros
"$hone" prune base sparse --sparsity 0.5 --storage auto --json >line 2>err || fail "prune --storage: $(cat err)"
grep -q '"layers":.*"storage":"bitmap".*"break_even":' line || fail "layers: $(cat line)"
[ "$("$hone" hash sparse)" = "$("$hone" hash half)" ] || fail "other numbers without zeros"
"$hone" prune base by-column --sparsity 0.9 --storage csr >out 2>err || fail "$(cat err)"
grep -q "break-even" out || fail "no table: $(cat out)"
"$hone" quantize sparse eight --bits 8 --group 32 --storage auto --json >line 2>err || fail "quantize --storage: $(cat err)"
"$hone" quantize half plain-eight --bits 8 --group 32 >/dev/null 2>&1 || fail "quantize"
[ "$("$hone" hash eight)" = "$("$hone" hash plain-eight)" ] || fail "other codes without zeros"
"$hone" quantize half four --bits 4 --group 32 --storage bitmap --json >line 2>err || fail "quantize --bits 4 --storage: $(cat err)"
grep -q "codes are around zero" err && grep -q '"storage":"bitmap"' line || fail "four bits: $(cat err line)"
"$hone" quantize half plain-four --bits 4 --group 32 --symmetric >/dev/null 2>&1 || fail "quantize"
[ "$("$hone" hash four)" = "$("$hone" hash plain-four)" ] || fail "other codes of four bits without zeros"

# what was lost comes back in part, and is healed alone
"$hone" quantize half low --bits 4 --group 32 --storage bitmap --correction-rank 4 --correction-of base --data text.txt --windows 4 --seq 64 --max-eval-tokens 500 --json >line 2>err ||
  fail "corrections: $(cat err)"
grep -q "corrections of rank 4" err && grep -q '"corrections": {' low/config.json || fail "corrections: $(cat err low/config.json)"
"$hone" inspect low 2>err | grep -q "mlp.c_fc.weight.u  *BF16 *.512,4." || fail "inspect: $("$hone" inspect low)"
"$hone" generate low --prompt line -n 4 >/dev/null 2>err || fail "generate: $(cat err)"
"$hone" train --model low --data text.txt --out low-healed --train corrections --steps 4 --batch 4 --seq 32 --warmup 0 --json >lines 2>err || fail "heal: $(cat err)"
tail -n 1 lines | grep -q "\"weights_hash\":\"$("$hone" hash low-healed)\"" || fail "another hash than $("$hone" hash low-healed): $(cat lines)"
grep -q '"bitmap/q4_0"' low-healed/config.json || fail "the storage changed: $(cat low-healed/config.json)"
"$hone" eval low-healed --data text.txt --max-tokens 100 >/dev/null || fail "the healed model does not open"
"$hone" plan --model low --data text.txt --train corrections --batch 4 --seq 32 >/dev/null 2>err || fail "plan: $(cat err)"
expect 2 "another --train" train --model low --data text.txt --out low-healed --steps 5 --batch 4 --seq 32 --warmup 0
expect 2 "no corrections" train --model base --data text.txt --out new --train corrections --seq 32
expect 2 "all or corrections" train --model low --data text.txt --out new --train some --seq 32
expect 2 "smaller side" prune base new --correction-rank 1000
expect 2 "and no rank" prune base new --correction-of half
expect 2 "has no corrections" quantize base new.gguf --correction-rank 4
expect 3 "already" quantize low new
expect 2 "nearest is bitmap" prune base new --storage bitmp
expect 3 "four neighbours" prune base new --storage 2:4
expect 2 "holds every element" quantize base new.gguf --bits 8 --storage auto

# what cannot be written leaves nothing
(ulimit -f 200; expect 1 "" prune base new --sparsity 0.5) || exit 1

expect 5 "the loss rises more than it may" prune base new --sparsity 0.97 --eval-data text.txt --max-eval-tokens 1000 --max-loss-increase 1%
expect 5 "expected at most 0.5 %" prune base new --sparsity 0.97 --eval-data text.txt --max-eval-tokens 1000 --max-loss-increase 0.005
expect 2 "needs a text" prune base new --max-loss-increase 3%
expect 2 "expected 3% or 0.03" prune base new --eval-data text.txt --max-loss-increase much
expect 2 "did you mean '2:4'" prune base new --pattern 2:3
expect 2 "wanda learns from a text" prune base new --method wanda
expect 2 "did you mean 'sparsegpt'" prune base new --method sparsgpt
expect 2 "no method 'heads'.*it is a pattern: --pattern heads" prune base new --method heads
expect 2 "no pattern 'wanda'.*it is a method: --method wanda" prune base new --pattern wanda
expect 3 "cannot say fewer heads" prune base new --pattern heads
expect 2 "none would go" prune base new --pattern layers --sparsity 0.1 --data text.txt
expect 2 "--sparsity" prune base new --sparsity 1
expect 2 "never changed" prune base base
expect 2 "holds a model" prune base half
expect 3 "no such file" prune nowhere new
expect 3 "" prune base new --eval-data nowhere.txt
# factors: a folder that every command opens, and its plain twin
for method in svd whitened; do
  "$hone" factorize base low-$method --method $method --keep 0.7 --data text.txt --max-eval-tokens 2000 --json >line 2>err ||
    fail "factorize: $(cat err)"
  grep -Eq "$keys" line || fail "keys: $(cat line)"
  grep -q '"low_rank": {' low-$method/config.json || fail "config: $(cat low-$method/config.json)"
  "$hone" generate low-$method --prompt line -n 4 >/dev/null 2>err || fail "generate: $(cat err)"
done
"$hone" convert low-svd plain >/dev/null 2>err || fail "convert: $(cat err)"
! grep -q low_rank plain/config.json || fail "still of low rank: $(cat plain/config.json)"
"$hone" eval plain --data text.txt --max-tokens 500 >/dev/null || fail "the plain model does not open"
expect 2 "keep" factorize base new --keep 0
expect 2 "learns from a text" factorize base new --method whitened
expect 2 "did you mean" factorize base new --method svt
expect 3 "^hone: low-svd: .*already" factorize low-svd new
expect 3 "the model is factorized" prune low-svd new --pattern channels --sparsity 0.5
# the table of tokens alone, as cores
for method in tensor-train table-svd; do
  "$hone" factorize base cores-$method --method $method --keep 0.5 --data text.txt --max-eval-tokens 2000 --json >line 2>err ||
    fail "$method: $(cat err)"
  grep -Eq "$(echo "$keys" | sed 's/:32,/:[0-9.]*,/')" line || fail "keys: $(cat line)"
  grep -q "% of its squares are lost" err && grep -q "it is the head too" err || fail "$method: said $(cat err)"
  grep -q '"tensor_train/f32"' cores-$method/config.json || fail "config: $(cat cores-$method/config.json)"
  "$hone" inspect cores-$method/model.safetensors | grep -q "wte.weight.core1" || fail "inspect: no core1"
  "$hone" generate cores-$method --prompt line -n 4 >/dev/null 2>err || fail "generate: $(cat err)"
  "$hone" convert cores-$method whole-$method >/dev/null 2>err || fail "convert: $(cat err)"
  ! grep -q tensor_train whole-$method/config.json || fail "still in cores: $(cat whole-$method/config.json)"
  [ "$("$hone" hash whole-$method)" = "$("$hone" hash cores-$method)" ] || fail "$method: expanded it is another table"
done
"$hone" factorize base cores-own --method tensor-train --rows 16,16 --columns 8,16 --ranks 3 >/dev/null 2>err || fail "$(cat err)"
grep -q "rows as 16x16, 128 columns as 8x16, ranks 3" err || fail "said $(cat err)"
expect 2 "no sizes" factorize base new --method tensor-train --rows 16,,16
expect 2 "1 to" factorize base new --method table-svd --ranks 1000
expect 2 "ranks are of a table" factorize base new --ranks 3
expect 3 "already" factorize cores-own new --method tensor-train
expect 5 "rises more" factorize base new --keep 0.1 --eval-data text.txt --max-loss-increase 0%

# options as they are typed
expect 2 "give --eval-data" prune base new --max-loss-increase 3%
expect 2 "a folder" distill base new.gguf --student layers=1 --data text.txt
expect 2 "a folder" distill base new.gguf --student width=64 --data text.txt
expect 2 "a folder" pack base new.gguf
expect 2 "sparsity: this optimizer" train --model base --data text.txt --out new --seq 32 --optimizer muon --sparsity 0.5
expect 2 "^hone: --student: .*1 to [0-9]* of them, found 99" distill base new --student layers=99 --data text.txt
head -c 20 text.txt >short.txt
expect 3 "^hone: short.txt: .*shorter than one window" quantize base new --method gptq --data short.txt
expect 3 "^hone: short.txt: the file is no calibration" quantize base new --method gptq --data text.txt --seq 32 --calibration short.txt
expect 3 "^hone: base/model.safetensors: the file is no calibration" quantize base new --method gptq --data text.txt --seq 32 --calibration base/model.safetensors
expect 2 "^hone: --correction-rank: .*found 0" quantize base new --correction-of base
"$hone" train --model llama-tiny --data text.txt --out other --steps 1 --batch 1 --seq 32 >/dev/null 2>err || fail "other: $(cat err)"
expect 2 "^hone: --correction-of: the model to come back to is another one" quantize base new --correction-of other --correction-rank 2
# groups of any size
expect 2 "1 or more" quantize base new --group 0
"$hone" quantize base of-48 --group 48 >/dev/null 2>err || fail "groups of 48: $(cat err)"
grep -q "read these as f32" err || fail "said $(cat err)"
"$hone" pack of-48 of-48-packed >/dev/null 2>err || fail "pack: $(cat err)"
[ "$("$hone" hash of-48)" = "$("$hone" hash of-48-packed)" ] || fail "packed they are others"
expect 3 "^hone: of-48: weight .*quantized already" quantize of-48 new
expect 3 "is quantized" prune of-48 new

[ "$("$hone" hash base)" = "$(cat base.hash)" ] || fail "the source changed"
echo "compression is as it should be"
