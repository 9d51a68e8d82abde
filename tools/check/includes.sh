# The include arrows. A room includes itself and rooms above it in doc/rooms.txt; src/cli of hone only public headers;
# a public header only standard headers and public headers of its room or above; mpi.h only in dist.
# includes.sh [ROOT]: of the repository, or of another tree laid out like it (the test of this check).
set -eu
cd "${1-.}"
find src include -name '*.hpp' -o -name '*.cpp' | sort | xargs awk '
  FILENAME == "doc/rooms.txt" { next }
  function wrong(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
  BEGIN {
    while ((getline line < "doc/rooms.txt") > 0) {
      if (line ~ /^#/ || line ~ /^ *$/) continue
      n = split(line, word, " ")
      rank[word[1]] = ++rooms
      for (i = 2; i <= n; ++i) face[word[i] ".hpp"] = word[1]
    }
    if (!rooms) { print "doc/rooms.txt lists no room"; bad = 1; exit }
    split("iostream ranges regex filesystem", word, " ")
    for (i in word) costly[word[i]] = 1
  }
  FNR == 1 {
    split(FILENAME, part, "/")
    public = (part[1] == "include")
    room = public ? face[part[3]] : part[2]
    if (public && (part[2] != "hone" || room == "")) wrong("a public header that doc/rooms.txt does not list")
    else if (!(room in rank)) wrong("the room \"" room "\" is not in doc/rooms.txt")
  }
  /^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\"")
    path = quoted[2]
    split(path, to, "/")
    target = (to[1] == "hone") ? face[to[2]] : to[1]
    if (!(target in rank)) wrong("\"" path "\" is neither \"ROOM/...\" nor a public header listed in doc/rooms.txt")
    else if (room in rank && rank[target] > rank[room]) wrong(room " includes \"" path "\" of " target ", which is below it")
    else if (public && to[1] != "hone") wrong("a public header includes \"" path "\", which is not installed")
    else if (room == "cli" && !public && to[1] != "hone" && to[1] != "cli") wrong("cli includes \"" path "\": only public headers")
  }
  /^[ \t]*#[ \t]*include[ \t]*</ {
    path = $0
    sub(/^[^<]*</, "", path)
    sub(/>.*/, "", path)
    if (public && path in costly) wrong("<" path "> is too costly for a public header")
    else if (public && path !~ /^[a-z_0-9]+$/) wrong("<" path "> in a public header is no standard C++ header")
    if (path ~ /^mpi/ && room != "dist") wrong("<" path "> outside dist")
    if (room == "cli" && !public && path !~ /^([a-z_0-9]+$|CLI\/|toml\+\+\/|fmt\/|nlohmann\/|fcntl\.h$|unistd\.h$|signal\.h$|sys\/ioctl\.h$)/)
      wrong("cli includes <" path ">: only the parser, the recipe reader, JSON and the printing library")
  }
  END { exit bad }'
