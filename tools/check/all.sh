# Every check, each with its verdict; exit 1 if one failed. --all: clang-tidy over all sources, not only what changed.
set -u
failed=""
for check in words links sizes includes headers format tidy; do
  argument=""
  if [ "$check" = tidy ]; then argument=${1-}; fi
  if sh "tools/check/$check.sh" $argument; then
    echo "check $check: ok"
  else
    echo "check $check: FAILED"
    failed="$failed $check"
  fi
done
if [ -n "$failed" ]; then
  echo "failed:$failed"
  exit 1
fi
