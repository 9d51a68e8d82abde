#include "cli/json_line.hpp"

#include "hone/tokenizer.hpp"

namespace hone::cli {

std::string JsonLine::quoted(std::string_view s) {
  std::string out = "\"";
  for (const char c : as_utf8(s)) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (u < 0x20)
      out += fmt::format("\\u{:04x}", u);
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace hone::cli
