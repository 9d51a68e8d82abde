# Each public header compiles alone, under every compiler there is.
set -eu
status=0
for compiler in g++ clang++; do
  command -v $compiler >/dev/null || continue
  for header in include/hone/*.hpp; do
    $compiler -std=c++20 -Wall -Wextra -Iinclude -fsyntax-only -x c++ "$header" 2>&1 |
      grep -v 'pragma once in main file' | grep -E 'error|warning: [^#]' | head -5 >"${TMPDIR:-/tmp}/hone-header.$$" || true
    if [ -s "${TMPDIR:-/tmp}/hone-header.$$" ]; then
      echo "$header doesn't compile alone with $compiler:"
      cat "${TMPDIR:-/tmp}/hone-header.$$"
      status=1
    fi
    rm -f "${TMPDIR:-/tmp}/hone-header.$$"
  done
done
exit $status
