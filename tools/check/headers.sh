# Each public header compiles alone and without a warning, by g++ and, where there is one, by clang++.
set -eu
compilers=g++
for compiler in clang++ clang++-14; do  # Debian's clang-tidy brings the second alone
  if command -v $compiler >/dev/null; then
    compilers="$compilers $compiler"
    break
  fi
done
for compiler in $compilers; do
  find include/hone -name '*.hpp' | sort |
    xargs -P "$(nproc)" -I HEADER $compiler -std=c++20 -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c++ -include HEADER /dev/null
done
