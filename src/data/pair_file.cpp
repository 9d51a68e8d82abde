#include "data/pair_file.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/utf8.hpp"
#include "data/json_lines.hpp"
#include "data/text_files.hpp"
#include "file/format.hpp"
#include "file/json.hpp"
#include "hone/error.hpp"
#include "hone/pairs.hpp"
#include "hone/tokenizer.hpp"
#include "text/unicode.hpp"

namespace hone {
namespace {

using nlohmann::json;

// Of Unicode's white space alone, so of U+3000 too.
bool is_blank(std::string_view text) {
  const UnicodeTable& table = UnicodeTable::get();
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.bytes == 0 || table.character_class(c.value) != CharacterClass::space) return false;
    at += c.bytes;
  }
  return true;
}

std::string shown(std::string_view text) {
  const bool long_one = text.size() > 60;
  return "'" + as_utf8(text.substr(0, 60)) + (long_one ? "...'" : "'");
}

void read_columns(const PairText& line, const std::string& where,
                  const std::function<void(const PairText&)>& visit) {
  const std::string_view text = line.source;
  if (!valid_utf8(text)) refuse_line(where, "the line is not UTF-8");
  const auto tab = text.find('\t');
  if (tab == std::string_view::npos)
    refuse_line(where, "a pair lacks its target", "SOURCE, a TAB, TARGET", shown(text));
  const PairText pair{text.substr(0, tab), text.substr(tab + 1), line.line};
  if (pair.target.find('\t') != std::string_view::npos)
    refuse_line(where, "the line has a third column", "SOURCE, a TAB, TARGET", shown(text),
                "neither half may hold a TAB; JSON lines may");
  if (is_blank(pair.source))
    refuse_line(where, "a pair lacks its source", "SOURCE, a TAB, TARGET", shown(text));
  if (is_blank(pair.target))
    refuse_line(where, "a pair lacks its target", "SOURCE, a TAB, TARGET", shown(text));
  visit(pair);
}

std::string keys_of(const json& object) {
  std::string keys;
  for (const auto& item : object.items()) keys += (keys.empty() ? "" : ", ") + item.key();
  return keys.empty() ? "no member" : keys;
}

// Of the object, or of the one in it that Hugging Face's sets of translations have.
const json& holder_of(const json& object) {
  const auto inner = object.find("translation");
  return inner != object.end() && inner->is_object() ? *inner : object;
}

// The names that were given, or the first of the usual ones of which the object has either.
PairFields fields_of(const json& object, const PairFields& given, const std::string& where) {
  if (!given.source.empty() && !given.target.empty()) return given;
  for (const auto& [source, target] : {std::pair{"source", "target"}, {"src", "tgt"}, {"input", "output"}})
    if (object.contains(source) || object.contains(target)) return {source, target};
  refuse_line(where, "the line has no source and target that hone knows",
              "source and target, src and tgt, or input and output", keys_of(object),
              "--source-field and --target-field name them");
}

std::string half_of(const json& object, const std::string& field, const char* half,
                    const std::string& where) {
  const auto found = object.find(field);
  if (found == object.end())
    refuse_line(where, std::string("a pair lacks its ") + half, "\"" + field + "\"", keys_of(object));
  if (!found->is_string())
    refuse_line(where, "\"" + field + "\" is not a string", {}, std::string(found->type_name()));
  auto text = found->get<std::string>();
  if (is_blank(text))
    refuse_line(where, std::string("a pair lacks its ") + half, "a text in \"" + field + "\"");
  return text;
}

json parsed_line(std::string_view text, const std::string& where) {
  try {
    return parse_json(text, where);
  } catch (const Error& e) {  // the place in the line is in line 1 of it
    ErrorText said = e.text();
    if (const auto at = said.where.rfind(", line 1, column"); at != std::string::npos)
      said.where.erase(at, std::string_view(", line 1").size());
    if (said.hint.empty()) said.hint = bad_line_hint;
    throw Error(e.kind(), said);
  }
}

void read_object(const PairText& line, const PairFields& given, const std::string& where,
                 const std::function<void(const PairText&)>& visit) {
  const json object = parsed_line(line.source, where);
  if (!object.is_object())
    refuse_line(where, "the line is no JSON object", {}, std::string(object.type_name()));
  const json& holder = holder_of(object);
  const PairFields fields = fields_of(holder, given, where);
  const std::string source = half_of(holder, fields.source, "source", where),
                    target = half_of(holder, fields.target, "target", where);
  visit({source, target, line.line});
}

// A name that says nothing leaves it to the first line.
bool holds_json(const std::string& path, std::string_view first_line) {
  if (is_json_lines(path, TextFormat::by_name)) return true;
  return may_be_json_pairs(path) && first_line.starts_with('{');
}

}  // namespace

std::string line_of(const std::string& path, std::int64_t line) {
  return path + ", line " + std::to_string(line);
}

void read_pairs(const std::string& path, const PairFields& fields,
                const std::function<void(const PairText&)>& visit) {
  LineReader lines(path);
  std::optional<bool> json_lines;
  for (std::string_view line; lines.next(line);) {
    if (lines.number() == 1) {
      line.remove_prefix(mark_bytes_of(line));
      if (const std::string_view format = packed_format(line); !format.empty())
        refuse_line(path, "not a file of pairs", "lines of text, packed by gzip or Zstandard or not",
                    std::string(format));
    }
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (!json_lines) json_lines = holds_json(path, line);
    const PairText whole{line, {}, lines.number()};
    *json_lines ? read_object(whole, fields, lines.where(), visit)
                : read_columns(whole, lines.where(), visit);
  }
}

}  // namespace hone
