# guest_test.sh PLAIN FAST HONE: the same weights from a plain host, one linked with -Ofast (its start-up code flushes
# denormals), one with OpenMP's variables set, one under a locale with a decimal comma, and from `hone train`.
set -eu
plain=$1 fast=$2 hone=${3-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

in_folder() {  # in_folder NAME COMMAND...: in an empty folder of its own
  mkdir "$work/$1"
  (cd "$work/$1" && shift && "$@")
}
same() {  # same WHAT HASH
  if [ "$2" != "$expected" ]; then
    echo "$1: weights $2, but from a plain host $expected"
    exit 1
  fi
  echo "same weights: $1"
}

expected=$(in_folder plain "$plain")
same "linked with -Ofast" "$(in_folder fast "$fast")"
same "OMP_NUM_THREADS=1 OMP_DYNAMIC=true" "$(in_folder omp env OMP_NUM_THREADS=1 OMP_DYNAMIC=true "$plain")"

# No locale but C is sure to be installed, so one with a comma is made, of the character map and the locale POSIX that
# Debian's package locales brings. localedef warns of what else a locale could have, and then exits 1: what it made counts.
printf 'LC_CTYPE\ncopy "POSIX"\nEND LC_CTYPE\nLC_COLLATE\ncopy "POSIX"\nEND LC_COLLATE
LC_NUMERIC\ndecimal_point ","\nthousands_sep "."\ngrouping 3;3\nEND LC_NUMERIC\n' >"$work/source"
localedef -c -f ANSI_X3.4-1968 -i "$work/source" "$work/comma_XX" >"$work/localedef.log" 2>&1 || true
if [ ! -s "$work/comma_XX/LC_NUMERIC" ]; then
  cat "$work/localedef.log"
  echo "localedef made no locale with a decimal comma; it needs the package locales (./dev test installs it)"
  exit 1
fi
# glibc never frees the path that it makes of LOCPATH (std::locale("name") alone shows it): for AddressSanitizer.
echo leak:__argz_add_sep >"$work/leaks"
comma=$(in_folder comma env LOCPATH="$work" LSAN_OPTIONS="suppressions=$work/leaks:print_suppressions=0" "$plain" comma_XX)
same "a locale with a decimal comma" "$comma"
cmp "$work/plain/programs.txt" "$work/comma/programs.txt" || { echo "programs print otherwise under a decimal comma"; exit 1; }

if [ -n "$hone" ]; then
  options="--model tiny --data $work/plain/counting.txt --batch 4 --seq 24 --precision bf16 --threads 2 --seed 5 --dropout 0.1"
  # shellcheck disable=SC2086
  "$hone" train $options --out "$work/run" --steps 12 --warmup 3 --lr 1e-3 --min-lr 1e-5 --clip 0.5 >/dev/null 2>"$work/log" ||
    { cat "$work/log"; exit 1; }
  # shellcheck disable=SC2086
  "$hone" plan $options --print-programs | head -n "$(wc -l <"$work/plain/programs.txt")" >"$work/programs.txt"
  cmp "$work/plain/programs.txt" "$work/programs.txt" || { echo "hone plan prints other programs than TrainPlan::print()"; exit 1; }
  same "hone train" "$("$hone" hash "$work/run" | cut -d' ' -f1)"
fi
