# Every relative link in a Markdown file leads to a file or folder that exists.
set -eu
status=0
for page in $(sh tools/check/files.sh all | grep '\.md$'); do
  folder=$(dirname "$page")
  for target in $(sed 's/`[^`]*`//g' "$page" | grep -o '](\([^)]*\))' | sed 's/^](//; s/)$//; s/#.*//' | grep -v '^[a-z]*:' || true); do
    if [ ! -e "$folder/$target" ]; then
      echo "$page: no such file: $target"
      status=1
    fi
  done
done
exit $status
