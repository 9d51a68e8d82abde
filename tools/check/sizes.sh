# A file above 500 lines or a function above 80 fails; a function above 60 is mentioned. sizes.sh [FILE...]
set -eu
if [ $# -gt 0 ]; then printf '%s\n' "$@"; else sh tools/check/files.sh cpp; fi |
  xargs awk -v file_limit=500 -v function_limit=80 -v function_hint=60 -f tools/check/sizes.awk
