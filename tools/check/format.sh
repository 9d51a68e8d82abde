# Every C++ file is laid out as .clang-format says (./dev fmt does it).
set -eu
sh tools/check/files.sh cpp | xargs clang-format --dry-run -Werror
