# header_examples.sh COMPILER: every public header opens with an example, the indented lines of its first comment, and
# each compiles, as README.md's does. What an example goes on from (a text, a trainer, a batch) is declared around it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
all=$work/examples.cpp
printf '#include <hone/hone.hpp>\n#include <cstdio>\n#include <cstring>\n#include <ctime>\n' >"$all"
for header in include/hone/*.hpp; do
  example=$(awk '!/^\/\// { exit } /^\/\/   / { print substr($0, 6) }' "$header")
  name=$(basename "$header" .hpp)
  if [ -z "$example" ]; then
    echo "$header opens without an example"
    exit 1
  fi
  printf '\nnamespace example_%s {\n' "$name" >>"$all"
  case $example in
    hone::Tensor*) printf '#line 1 "%s"\n%s\n' "$header" "$example" >>"$all" ;;
    *)
      printf 'int run(hone::Text& text, hone::Trainer& trainer, hone::Batch& batch, std::int64_t n) {\n' >>"$all"
      printf '  (void)text, (void)trainer, (void)batch, (void)n;\n  {\n#line 1 "%s"\n%s\n  }\n  return 0;\n}\n' \
        "$header" "$example" >>"$all"
      ;;
  esac
  printf '}\n' >>"$all"
done
printf 'void readme() {\n%s\n}\n' "$(sed -n '/^```cpp$/,/^```$/{ /^```/d; p }' README.md)" >>"$all"
grep -q 'hone::TrainPlan plan(gpt' "$all" || { echo "README.md's example was not found"; exit 1; }
"$1" -std=c++20 -Wall -Wextra -Wno-unused -Iinclude -fsyntax-only "$all"
