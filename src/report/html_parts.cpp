#include "report/html_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "report/html_style.hpp"
#include "report/text.hpp"

namespace hone {

const std::string_view html_begin =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n";

std::string html_page(std::string_view title, std::string_view subtitle, const std::string& body) {
  const std::string name = escape_markup(title.empty() ? "hone" : title);
  std::string s(html_begin);
  s += fmt::format("<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n", name,
                   kHtmlStyle, name);
  if (!subtitle.empty()) s += "<p class=\"subtitle\">" + escape_markup(subtitle) + "</p>\n";
  return s + body + "</main>\n</body>\n</html>\n";
}

std::string html_section(std::string_view title, std::string_view note, const std::string& body) {
  std::string s = fmt::format("<section><h2>{}</h2>\n", escape_markup(title));
  if (!note.empty()) s += fmt::format("<p class=\"note\">{}</p>\n", escape_markup(note));
  return s + body + "</section>\n";
}

// Each word breaks only where it is longer than a line: an option is not parted from its dashes.
std::string html_command(const std::string& command) {
  std::string s = "<pre>";
  for (std::size_t at = 0; at < command.size();) {
    const std::size_t end = std::min(command.find(' ', at), command.size());
    s += "<span>" + escape_markup(std::string_view(command).substr(at, end - at)) + "</span>";
    if (end < command.size()) s += ' ';
    at = end + 1;
  }
  return s + "</pre>\n";
}

}  // namespace hone
