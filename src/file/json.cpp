#include "file/json.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "file/format.hpp"
#include "file/mapped.hpp"
#include "hone/error.hpp"

namespace hone {
namespace {

using nlohmann::json;
constexpr int deepest = 64;

std::string position(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto newline = before.find_last_of('\n');
  const std::size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
  return ", line " + std::to_string(line) + ", column " + std::to_string(column);
}

// nlohmann's text is "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while
// parsing value - invalid literal; last read: 'x'"; the part that helps is between the first ": " and the ";
// ".
std::string reason(const json::exception& e) {
  std::string text = e.what();
  if (const auto at = text.find("] "); at != std::string::npos) text.erase(0, at + 2);
  if (const auto at = text.find(": "); at != std::string::npos) text.erase(0, at + 2);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 32 || c > 126; }, '?');
  return text.size() > 160 ? text.substr(0, 160) + "..." : text;
}

// The parser says of a number that no double holds only the number itself, in quotes.
std::string position_of_number(std::string_view text, std::string_view complaint) {
  const auto begin = complaint.find('\''), end = complaint.rfind('\'');
  if (begin == std::string_view::npos || end == begin) return {};
  const auto at = text.find(complaint.substr(begin + 1, end - begin - 1));
  return at == std::string_view::npos ? std::string() : position(text, at + 1);
}

// Another kind of file needs no line.
void refuse_other_format(std::string_view text, const std::string& where) {
  const auto [name, hint] = known_format(text);
  if (!name.empty())
    throw Error(ErrorKind::input,
                {.what = "not JSON", .where = where, .found = std::string(name), .hint = std::string(hint)});
}

}  // namespace

json parse_json(std::string_view text, const std::string& where) {
  refuse_other_format(text, where);
  // The parser takes a NUL for the end, and would pass over what stands behind it.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos)
    throw Error(ErrorKind::input,
                {.what = "a NUL byte is no JSON", .where = where + position(text, nul + 1)});
  std::vector<std::set<std::string>> keys;  // of the objects that are open, outermost first
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > deepest)
      throw Error(ErrorKind::input, {.what = "the JSON nests too deeply",
                                     .where = where,
                                     .expected = "at most " + std::to_string(deepest) + " levels"});
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.empty() &&
        !keys.back().insert(parsed.get<std::string>()).second)
      throw Error(ErrorKind::input,
                  {.what = "the JSON gives a key twice", .where = where, .found = parsed.dump()});
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::parse_error& e) {
    throw Error(ErrorKind::input,
                {.what = "not valid JSON: " + reason(e), .where = where + position(text, e.byte)});
  } catch (const json::exception& e) {
    throw Error(ErrorKind::input, {.what = "not usable JSON: " + reason(e),
                                   .where = where + position_of_number(text, e.what())});
  }
}

json read_json(const std::string& path) { return parse_json(read_file(path), path); }

const json& json_member(const json& object, const char* key, const std::string& where) {
  const bool is_object = object.is_object();
  if (!is_object || !object.contains(key))
    throw Error(ErrorKind::input,
                {.what = is_object ? std::string("\"") + key + "\" is missing"
                                   : std::string("an object with \"") + key + "\" was expected",
                 .where = where});
  return object.at(key);
}

std::int64_t json_integer(const json& object, const char* key, const std::string& where) {
  const json& value = json_member(object, key, where);
  const bool fits =
      value.is_number_unsigned()
          ? value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())
          : value.is_number_integer();
  if (!fits)
    throw Error(ErrorKind::input, {.what = std::string("\"") + key + "\" is not a whole number of 64 bits",
                                   .where = where,
                                   .found = value.is_number() ? value.dump() : value.type_name()});
  return value.get<std::int64_t>();
}

std::string json_string(const json& object, const char* key, const std::string& where) {
  const json& value = json_member(object, key, where);
  if (!value.is_string())
    throw Error(ErrorKind::input, {.what = std::string("\"") + key + "\" is not a string",
                                   .where = where,
                                   .found = std::string(value.type_name())});
  return value.get<std::string>();
}

}  // namespace hone
