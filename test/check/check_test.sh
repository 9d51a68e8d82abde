# The checks find what they are for: small wrong trees and files, each must be refused for its own reason.
set -eu
root=$(pwd -P)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

fresh() {
  rm -rf "$tree/src" "$tree/include" "$tree/doc"
  mkdir -p "$tree/src/base" "$tree/src/ir" "$tree/src/cli" "$tree/include/hone" "$tree/doc"
  cp "$root/doc/rooms.txt" "$tree/doc"
  echo '#include <string>' >"$tree/include/hone/error.hpp"
  echo '#include "base/other.hpp"' >"$tree/src/ir/node.hpp"
  printf '#include "hone/error.hpp"\n#include <CLI/CLI.hpp>\n' >"$tree/src/cli/main.cpp"
}

# refused NAME TEXT: includes.sh must fail with TEXT in its message.
refused() {
  if output=$(sh "$root/tools/check/includes.sh" "$tree"); then
    echo "includes.sh let pass: $1"
    exit 1
  fi
  case "$output" in
    *"$2"*) ;;
    *) echo "includes.sh on $1 said: $output"; exit 1 ;;
  esac
  fresh
}

fresh
sh "$root/tools/check/includes.sh" "$tree"
echo '#include "ir/node.hpp"' >"$tree/src/base/up.hpp"
refused "an arrow upwards" "below it"
echo '#include "hone/error.hpp"' >"$tree/include/hone/unlisted.hpp"
refused "an unlisted public header" "does not list"
echo '#include <ranges>' >"$tree/include/hone/error.hpp"
refused "a costly header" "too costly"
echo '#include <nlohmann/json.hpp>' >"$tree/include/hone/error.hpp"
refused "a dependency in a public header" "no standard"
echo '#include "base/types.hpp"' >"$tree/include/hone/error.hpp"
refused "an internal header in a public one" "not installed"
echo '#include "ir/node.hpp"' >"$tree/src/cli/main.cpp"
refused "cli past the public face" "only public headers"
echo '#include <mpi.h>' >"$tree/src/ir/node.hpp"
refused "MPI outside dist" "outside dist"
echo '#include "near.hpp"' >"$tree/src/ir/node.hpp"
refused "an include that names no room" "neither"
mkdir "$tree/src/attic"
echo 'int x;' >"$tree/src/attic/x.hpp"
refused "an unlisted room" "not in doc/rooms.txt"

# lines N: N lines of statements.
lines() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; ++i) print "  call(\"}\", 1);  // {" }'; }
long=$tree/long.cpp
{ echo 'namespace n {'; echo 'Widget::Widget(int a)'; echo '    : a_{a}, b_{{1, 2}} {'; lines 90; echo '}'; echo '}'; } >"$long"
output=$(sh tools/check/sizes.sh "$long") && { echo "sizes.sh let pass a long constructor"; exit 1; }
case "$output" in *"93 lines"*Widget*) ;; *) echo "sizes.sh said: $output"; exit 1 ;; esac
{ echo 'struct S {'; echo '  void f() {'; lines 70; echo '  }'; echo '  void g() {'; lines 70; echo '  }'; echo '};'; } >"$long"
output=$(sh tools/check/sizes.sh "$long") || { echo "sizes.sh refused two functions of 72 lines: $output"; exit 1; }
case "$output" in *"hint: 72 lines"*"hint: 72 lines"*) ;; *) echo "sizes.sh said: $output"; exit 1 ;; esac
{ echo 'const Table t = {'; lines 90 | sed 's/;/,/'; echo '};'; } >"$long"
output=$(sh tools/check/sizes.sh "$long") || { echo "sizes.sh took a table for a function: $output"; exit 1; }
lines 501 >"$long"
if sh tools/check/sizes.sh "$long" >"$tree/output"; then echo "sizes.sh let pass a file of 501 lines"; exit 1; fi
