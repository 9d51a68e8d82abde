# clang-tidy on the sources that changed since what landed last (origin/main, or on it, the commit before); --all: on all.
# A changed header counts through the source of its name. Needs build/compile_commands.json.
set -eu
changed() {
  base=$(git rev-parse -q --verify HEAD~1 2>/dev/null || true)
  if git rev-parse -q --verify origin/main >/dev/null 2>&1 &&
    [ "$(git rev-parse origin/main)" != "$(git rev-parse HEAD)" ]; then
    base=$(git merge-base origin/main HEAD)
  fi
  if [ -z "$base" ]; then
    sh tools/check/files.sh cpp
    return
  fi
  git diff --name-only --diff-filter=d "$base" -- '*.cpp' '*.hpp'
  git ls-files --others --exclude-standard -- '*.cpp' '*.hpp'
}
if [ "${1-}" = --all ]; then list=$(sh tools/check/files.sh cpp); else list=$(changed); fi
sources=$(printf '%s\n' "$list" | sed 's/\.hpp$/.cpp/' | sort -u | grep -E '^(src|test)/.*\.cpp$' || true)

# A kernel file is compiled once per instruction set; one of them, the widest, is enough here.
database=build/tidy
mkdir -p $database
awk '/^{/ { record = "" } { record = record $0 "\n" }
     /^}/ { if (record !~ /HONE_ISA=(portable|avx2|avx_vnni|avx512|avx512_vnni) /) kept = kept (kept == "" ? "" : ",\n") substr(record, 1, index(record, "\n}") + 1) }
     END { print "[\n" kept "\n]" }' build/compile_commands.json >$database/compile_commands.json

count=0
for source in $sources; do
  if [ -f "$source" ] && grep -qF "/$source\"" $database/compile_commands.json; then
    printf '%s\n' "$source"
  fi
done >$database/sources
count=$(wc -l <$database/sources)
echo "clang-tidy on $count sources"
[ "$count" = 0 ] || xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p $database <$database/sources 2>$database/messages ||
  { grep -vE '^[0-9]+ warnings? (generated|treated)' $database/messages | tail -20; exit 1; }
