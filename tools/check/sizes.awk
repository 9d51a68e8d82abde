# Lengths of files and functions in C++ laid out by clang-format: an opening brace after a space that follows neither
# "=", "(", "," nor "return" begins a block; other braces are initialisers. A block is a function when the text before
# it has a parenthesis and it is not a control statement or lambda inside another function.

function begin_file() {
  depth = 0; head = ""; in_function = 0; in_comment = 0; in_directive = 0; raw_end = ""
}

# The line without comments, strings and character literals.
function code_of(line,    at) {
  if (raw_end != "") {
    at = index(line, raw_end)
    if (!at) return ""
    line = "0" substr(line, at + length(raw_end))
    raw_end = ""
  }
  if (in_comment) {
    at = index(line, "*/")
    if (!at) return ""
    line = substr(line, at + 2)
    in_comment = 0
  }
  if (match(line, /R"[A-Za-z_]*\(/)) {
    raw_end = ")" substr(line, RSTART + 2, RLENGTH - 3) "\""
    at = index(substr(line, RSTART + RLENGTH), raw_end)
    if (at) {
      line = substr(line, 1, RSTART - 1) "0" substr(line, RSTART + RLENGTH + at + length(raw_end) - 1)
      raw_end = ""
      return code_of(line)
    }
    return substr(line, 1, RSTART - 1)
  }
  gsub(/\\\\/, "", line)
  gsub(/\\["']/, "", line)
  gsub(/"[^"]*"/, "0", line)
  gsub(/'[^0-9a-fA-F]'|'[0-9a-fA-F]'/, "0", line)
  gsub(/'/, "", line)
  gsub(/\/\*[^*]*\*\//, "", line)
  sub(/\/\/.*/, "", line)
  at = index(line, "/*")
  if (at) { in_comment = 1; line = substr(line, 1, at - 1) }
  # A preprocessor directive and the lines that a backslash joins to it.
  at = in_directive || line ~ /^[ \t]*#/
  in_directive = at && line ~ /\\$/
  return at ? "" : line
}

function opens_block(before) {
  return before == "" || (before ~ /[ \t]$/ && before !~ /([=(,{]|return)[ \t]*$/)
}

function is_function(text) {
  sub(/^[ \t]+/, "", text)
  return text ~ /\(/ && text !~ /^(namespace|struct|class|union|enum|extern)[^(]*$/ && text !~ /^(if|for|while|switch|do|else|try|catch)[^A-Za-z_]/
}

function end_function(    lines) {
  lines = FNR - start_line + 1
  name = start_text
  sub(/^[ \t]+/, "", name)
  if (lines > function_limit) { printf "%s:%d: %d lines (limit %d): %s\n", FILENAME, start_line, lines, function_limit, name; bad = 1 }
  else if (lines > function_hint) printf "%s:%d: hint: %d lines, above %d: %s\n", FILENAME, start_line, lines, function_hint, name
}

function close_file() {
  if (last_file != "" && last_lines > file_limit) { printf "%s: %d lines (limit %d)\n", last_file, last_lines, file_limit; bad = 1 }
}

FNR == 1 { close_file(); begin_file() }
{ last_file = FILENAME; last_lines = FNR }
{
  line = code_of($0)
  n = length(line)
  for (i = 1; i <= n; ++i) {
    c = substr(line, i, 1)
    if (c == "{") {
      ++depth
      kind[depth] = opens_block(head) ? "block" : "initialiser"
      if (kind[depth] == "block" && !in_function && is_function(head)) { in_function = depth; start_line = head_line; start_text = head_text }
      if (kind[depth] == "block") head = ""
      else head = head c
    } else if (c == "}") {
      if (in_function == depth) { end_function(); in_function = 0 }
      if (kind[depth] == "block") head = ""
      else head = head c
      if (depth > 0) --depth
    } else if (c == ";" ) {
      head = ""
    } else {
      if (head == "" && c !~ /[ \t]/) { head_line = FNR; head_text = $0 }
      if (head != "" || c !~ /[ \t]/) head = head c
    }
  }
  if (head != "") head = head " "
}
END { close_file(); exit bad }
