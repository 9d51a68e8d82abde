# from_pytorch.sh PROGRAM: every piece of code in the last column of doc/from-pytorch.md is a part of the source of
# PROGRAM, which runs, or of examples/encoder_decoder.cpp, which runs as a test of its own.
set -eu
page=$PWD/doc/from-pytorch.md source=$PWD/test/library/from_pytorch.cpp example=$PWD/examples/encoder_decoder.cpp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n 's/^|.*| *\([^|]*\) *|$/\1/p' "$page" | grep -o '`[^`]*`' | tr -d '`' >"$work/pieces"
missing=0
while IFS= read -r piece; do
  if ! grep -qF -- "$piece" "$source" "$example"; then
    echo "on the page but not compiled: $piece"
    missing=1
  fi
done <"$work/pieces"
[ "$(wc -l <"$work/pieces")" -gt 30 ] || { echo "the page's table was not found"; exit 1; }
[ "$missing" = 0 ]
cd "$work"
"$1" >output.txt 2>&1 || { tail -5 output.txt; exit 1; }
