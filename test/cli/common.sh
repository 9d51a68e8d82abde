# Shared by the tests of the program: a folder of their own, a small text, and what they say.
set -eu
hone=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*" >&2; exit 1; }
awk 'BEGIN { for (i = 0; i < 3000; ++i) print "line " i % 97 " of a text that says little, " i * i % 89 }' >text.txt
hash_of() { sed -n 's/.*"weights_hash":"\([0-9a-f]*\)".*/\1/p'; }
# expect CODE PATTERN ARGUMENTS...: ends so, says so, and makes no folder "new"
expect() {
  code=$1 pattern=$2
  shift 2
  status=0
  "$hone" "$@" >out 2>err || status=$?
  [ $status = "$code" ] || fail "$*: exit code $status, not $code: $(cat err)"
  grep -q -- "$pattern" err || fail "$*: said '$(cat err)', not '$pattern'"
  [ ! -e new ] || fail "$* left a folder"
}
