# Of libhone.so ($1) only names in hone:: may be visible, and those exactly are what a client can link.
set -eu
visible=$(nm -D --defined-only -C "$1" | sed 's/^[0-9a-f]* [A-Za-z] //')
wrong=$(printf '%s\n' "$visible" | grep -vE '^((vtable|typeinfo|typeinfo name) for )?hone::' || true)
if [ -n "$wrong" ]; then
  echo "libhone.so shows symbols that aren't hone's:"
  echo "$wrong" | head -20
  exit 1
fi
printf '%s\n' "$visible" | grep -q '^hone::version()' || { echo "hone::version() isn't visible"; exit 1; }
