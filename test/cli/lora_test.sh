# lora_test.sh HONE: adapters from outside: trained, gone on with, used, merged, and what is wrong with them.
. "$(dirname "$0")/common.sh"

"$hone" train --model tiny --data text.txt --out base --steps 12 --batch 4 --seq 32 --warmup 2 --lr 5e-3 2>err || fail "base: $(cat err)"
"$hone" hash base >base.hash
lora="--model base --data text.txt --lora-rank 4 --lora-targets c_attn,c_fc --batch 4 --seq 32 --warmup 0 --lr 1e-2"

# a run that is stopped half way and gone on with is the whole one; the base stays as it is
"$hone" train $lora --out whole --steps 8 --json >lines 2>err || fail "train: $(cat err)"
"$hone" train $lora --out parts --steps 8 --save-every 4 --json >lines2 2>err || fail "train: $(cat err)"
rm -r parts/checkpoints/step-00000008 parts/adapter*
[ -f parts/checkpoints/step-00000004/adapter_model.safetensors ] || fail "no adapter in the checkpoint"
[ ! -e parts/checkpoints/step-00000004/model.safetensors ] || fail "the checkpoint holds the base"
"$hone" train $lora --out parts --steps 8 --threads 1 --micro-batch 1 --json >lines2 2>err || fail "resume: $(cat err)"
grep -q "resumed from" err || fail "no resume: $(cat err)"
hash=$(hash_of <lines)
[ -n "$hash" ] && [ "$hash" = "$(hash_of <lines2)" ] || fail "resumed, other weights"
[ "$("$hone" hash base)" = "$(cat base.hash)" ] || fail "the base changed"

# the adapter is a MODEL, and goes with its base; merged it predicts the same
[ "$("$hone" hash whole)" = "$hash" ] || fail "hash of the adapter's folder"
[ "$("$hone" hash base --adapter whole)" = "$hash" ] || fail "hash of base and adapter"
"$hone" eval base --adapter whole --data text.txt --max-tokens 2000 >adapted
"$hone" merge base whole merged >/dev/null 2>err || fail "merge: $(cat err)"
"$hone" eval merged --data text.txt --max-tokens 2000 >one
cmp -s adapted one || fail "adapted: $(cat adapted) merged: $(cat one)"
text=$("$hone" generate base --adapter whole --prompt line -n 12 --temperature 0)
[ "$text" = "$("$hone" generate merged --prompt line -n 12 --temperature 0)" ] || fail "merged, another text: $text"
[ "$text" = "$("$hone" generate whole --prompt line -n 12 --temperature 0)" ] || fail "by the adapter's folder, another text"
"$hone" plan $lora --json >plan 2>err || fail "plan: $(cat err)"
grep -q '"frozen weights":' plan || fail "plan: $(cat plan)"

# an adapter that is there is trained on, into another folder
"$hone" train --model whole --data text.txt --out further --steps 2 --batch 4 --seq 32 --json >lines 2>err || fail "further: $(cat err)"
[ -f further/adapter_model.safetensors ] || fail "no adapter"

new="train --model base --data text.txt --batch 4 --seq 32 --steps 1 --out new"
expect 2 "c_attn, c_fc, c_proj" $new --lora-rank 4 --lora-targets q_proj
expect 2 "options of an adapter, and no rank" $new --lora-alpha 4
expect 2 "lora-rank" $new --lora-rank -1
expect 2 "has an adapter already" train --model whole --data text.txt --steps 1 --out new --lora-rank 4
expect 2 "has been trained" train --model tiny --data text.txt --steps 1 --out new --lora-rank 4
expect 2 "another adapter" train $lora --lora-alpha 3 --out whole --steps 9
expect 2 "another adapter" train --model base --data text.txt --batch 4 --seq 32 --out whole --steps 9
mkdir other && cp whole/adapter* other
expect 2 "would be replaced" train $lora --steps 1 --out other
expect 2 "holds a model" merge base whole merged
expect 2 "expected a folder's name" merge base whole new.gguf
expect 3 "not an adapter" merge base base new
expect 3 "not an adapter" generate base --adapter nowhere --prompt a
sed 's/"r": 4/"r": 0/' whole/adapter_config.json >further/adapter_config.json
expect 3 "impossible rank" eval base --adapter further --data text.txt
sed 's/"base_model_name_or_path": .*/"base_model_name_or_path": "gone",/' whole/adapter_config.json >further/adapter_config.json
expect 3 "not where it says" hash further
echo "adapters are as they should be"
