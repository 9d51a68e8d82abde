// Whether markup is well-formed: a small independent reader for the tests.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace hone {

// Empty where every element that opens is closed in order, attributes are quoted, and every "&" begins an
// entity; otherwise what is wrong. Knows HTML's `meta` and doctype as elements without an end.
inline std::string markup_fault(std::string_view s) {
  std::vector<std::string> open;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '&') {
      const auto end = s.find(';', i);
      if (end == std::string_view::npos || end - i > 7) return "a bare & at " + std::to_string(i);
      continue;
    }
    if (static_cast<unsigned char>(s[i]) < 0x20 && s[i] != '\n' && s[i] != '\t') return "a control character";
    if (s[i] == '>') return "a bare > at " + std::to_string(i);
    if (s[i] != '<') continue;
    std::size_t end = i + 1;
    for (bool quoted = false; end < s.size() && (quoted || s[end] != '>'); ++end) {
      if (s[end] == '"') quoted = !quoted;
      if (s[end] == '<') return "a < within a tag at " + std::to_string(end);
    }
    if (end >= s.size()) return "a tag without an end at " + std::to_string(i);
    const auto tag = s.substr(i + 1, end - i - 1);
    i = end;
    const std::string name(tag.substr(0, tag.find_first_of(" \n/", 1)));
    if (name == "meta" || name == "!doctype" || tag.back() == '/') continue;
    if (name[0] != '/') {
      open.push_back(name);
    } else if (open.empty() || name.substr(1) != open.back()) {
      return "<" + name + "> closes " + (open.empty() ? "nothing" : open.back());
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back() + " stays open";
}

}  // namespace hone
