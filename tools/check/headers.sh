# Each public header compiles alone, under every compiler there is.
set -eu
status=0
messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
for compiler in g++ clang++ clang++-14; do
  command -v $compiler >/dev/null || continue
  for header in include/hone/*.hpp; do
    $compiler -std=c++20 -Wall -Wextra -Iinclude -fsyntax-only -x c++ "$header" 2>&1 |
      grep -v 'pragma once in main file' | grep -E 'error|warning: [^#]' | head -5 >"$messages" || true
    if [ -s "$messages" ]; then
      echo "$header doesn't compile alone with $compiler:"
      cat "$messages"
      status=1
    fi
  done
done
exit $status
