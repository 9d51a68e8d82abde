# files.sh cpp|all: the repository's files, one a line; without git's records (a copied folder), what find sees.
set -eu
case "$1" in
  cpp) pattern='\.[ch]pp$' ;;
  all) pattern='.' ;;
esac
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  git ls-files --cached --others --exclude-standard
else
  find . -name '.git' -prune -o -path './build*' -prune -o -path './out' -prune -o -type f -print | sed 's|^\./||'
fi | grep -E "$pattern" | sort | while IFS= read -r file; do
  # A file removed but not yet committed is still in git's list.
  if [ -f "$file" ]; then printf '%s\n' "$file"; fi
done
