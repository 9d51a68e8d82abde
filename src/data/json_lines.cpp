#include "data/json_lines.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "hone/error.hpp"

namespace hone {
namespace {

using nlohmann::json;

// Takes the one member and lets all else pass by: a tree of values would cost several times as much.
class MemberReader : public json::json_sax_t {
 public:
  explicit MemberReader(const std::string& field) : field_(field) {}

  std::optional<std::string> text;
  bool twice = false, other_type = false, no_object = false;
  std::string complaint;
  std::size_t column = 0;  // of what it is about

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool string(string_t& found) override {
    if (!wanted()) return value();
    text = std::move(found);
    return value(true);
  }
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override {
    no_object = no_object || depth_ == 0;
    return open();
  }
  bool end_object() override { return --depth_, true; }
  bool end_array() override { return --depth_, true; }
  bool key(string_t& name) override {
    named_ = depth_ == 1 && name == field_;
    twice = twice || (named_ && seen_);
    seen_ = seen_ || named_;
    return true;
  }
  bool parse_error(std::size_t at, const std::string&, const json::exception& e) override {
    complaint = e.what();
    column = at;
    return false;
  }

 private:
  bool wanted() const { return depth_ == 1 && named_; }
  bool value(bool is_text = false) {
    no_object = no_object || depth_ == 0;
    other_type = other_type || (wanted() && !is_text);
    if (depth_ == 1) named_ = false;
    return true;
  }
  bool open() {
    if (depth_ > 0) value();
    ++depth_;
    return true;
  }

  const std::string& field_;
  int depth_ = 0;
  bool named_ = false, seen_ = false;
};

// Of "[json.exception.parse_error.101] parse error at line 1, column 9: syntax error while parsing value -
// ...": what stands behind the place, which is in one line here.
std::string reason(std::string complaint) {
  if (const auto at = complaint.find(": "); at != std::string::npos) complaint.erase(0, at + 2);
  return complaint.size() > 120 ? complaint.substr(0, 120) + "..." : complaint;
}

}  // namespace

void refuse_line(const std::string& where, std::string what, std::string expected, std::string found,
                 std::string hint) {
  throw Error(ErrorKind::input, {.what = std::move(what),
                                 .where = where,
                                 .expected = std::move(expected),
                                 .found = std::move(found),
                                 .hint = std::move(hint)});
}

std::string renaming_hint(std::string_view line) {
  const auto has = [&](std::string_view key) { return line.find(key) != line.npos; };
  if (has(R"("conversations")"))
    return R"(ShareGPT's lines are read where "conversations" is called "messages", its "from" "role" (human: )"
           R"(user, gpt: assistant) and its "value" "content")";
  if (has(R"("instruction")") && has(R"("output")"))
    return R"(Alpaca's lines are read where "prompt" has the instruction and the input, and "completion" the )"
           R"(output; or as "messages" of a user and an assistant)";
  return {};
}

std::string json_line_text(std::string_view line, const std::string& field, const std::string& where) {
  const auto refuse = [&](std::string what, const std::string& hint = {}, const std::string& place = {}) {
    refuse_line(where + place, std::move(what), {}, {}, hint);
  };
  MemberReader reader(field);
  json::sax_parse(line, &reader);
  const std::string member = "\"" + field + "\"";
  if (!reader.complaint.empty())
    refuse("not valid JSON: " + reason(reader.complaint), bad_line_hint,
           ", column " + std::to_string(reader.column));
  if (reader.no_object) refuse("the line is no JSON object");
  if (reader.twice) refuse(member + " is given twice");
  if (reader.other_type) refuse(member + " is not a text");
  if (!reader.text) {
    const std::string renaming = renaming_hint(line);
    refuse(member + " is missing",
           field == "prompt" ? ""
           : !renaming.empty()
               ? renaming
               : "hone data build --field NAME makes token shards of another member; chats have "
                 "\"messages\", prompts \"prompt\" and \"completion\"; pairs, of a source and a "
                 "target, are for a model that reads a source: --model transformer-tiny");
  }
  return std::move(*reader.text);
}

bool LineReader::next(std::string_view& line) {
  line_.clear();
  for (;;) {
    if (piece_.empty()) piece_ = ended_ ? std::string_view() : stream_.next();
    if (piece_.empty()) {
      ended_ = true;
      if (line_.empty()) return false;
      ++number_;
      line = line_;
      return true;
    }
    const auto newline = piece_.find('\n');
    const std::string_view now = piece_.substr(0, newline);
    const bool whole = newline != std::string_view::npos;
    piece_.remove_prefix(whole ? newline + 1 : now.size());
    if (whole && line_.empty()) {
      ++number_;
      line = now;
      return true;
    }
    line_ += now;
    if (line_.size() > most_bytes)
      throw Error(ErrorKind::input, {.what = "the line is too long",
                                     .where = stream_.path() + ", line " + std::to_string(number_ + 1),
                                     .expected = std::to_string(most_bytes) + " bytes at most",
                                     .hint = "JSON lines have one object a line"});
    if (!whole) continue;
    ++number_;
    line = line_;
    return true;
  }
}

}  // namespace hone
