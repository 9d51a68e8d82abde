// JSON in and out of templates: json.dumps for the filter `tojson`, and any text as a value.
#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/utf8.hpp"
#include "file/json.hpp"
#include "hone/error.hpp"
#include "text/template_value.hpp"

namespace hone::jinja {
namespace {

void append_hex(std::string& out, std::uint32_t c) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\u";
  for (int i = 3; i >= 0; --i) out += digits[(c >> (4 * i)) & 15];
}

void append_character(std::string& out, std::string_view bytes, std::uint32_t c, bool ascii) {
  if (c == '"' || c == '\\') {
    out += '\\';
    out += static_cast<char>(c);
  } else if (c >= 8 && c <= 13 && c != 11) {
    out += '\\';
    out += "btn?fr"[c - 8];
  } else if (c < 0x20) {
    append_hex(out, c);
  } else if (c < 0x7F || !ascii) {
    out += bytes;
  } else if (c < 0x10000) {
    append_hex(out, c);
  } else {
    append_hex(out, 0xD800 + ((c - 0x10000) >> 10));
    append_hex(out, 0xDC00 + ((c - 0x10000) & 0x3FF));
  }
}

std::string json_string_of(std::string_view s, bool ascii) {
  std::string out = "\"";
  for (std::size_t at = 0; at < s.size();) {
    const CodePoint c = code_point_at(s, at);
    const std::size_t bytes = std::max<std::size_t>(1, c.bytes);
    append_character(out, s.substr(at, bytes), c.bytes ? c.value : 0xFFFD, ascii);
    at += bytes;
  }
  return out + '"';
}

class Writer {
 public:
  Writer(const JsonStyle& style, Work& work) : style_(style), work_(work) {}

  void add(const Value& v) {
    const Deeper deeper(depth_, work_);
    const std::size_t before = out_.size();
    if (const auto* l = v.list())
      add_all(l->items, '[', ']', [&](const Value& item) { add(item); });
    else if (const auto* d = v.dict())
      add_all(sorted(d->items), '{', '}', [&](const auto& item) { add_member(item.first, item.second); });
    else
      add_scalar(v);
    work_.spend(16 + out_.size() - before);
  }

  std::string text() { return std::move(out_); }

 private:
  using Items = std::vector<std::pair<Value, Value>>;

  void add_scalar(const Value& v) {
    if (const auto* s = v.string())
      out_ += json_string_of(*s, style_.ascii);
    else if (v.is_none())
      out_ += "null";
    else if (v.is_bool())
      out_ += v.integer() ? "true" : "false";
    else if (v.is_integer())
      out_ += std::to_string(v.integer());
    else if (v.is_float())
      out_ += std::isnan(v.real())   ? "NaN"
              : std::isinf(v.real()) ? (v.real() > 0 ? "Infinity" : "-Infinity")
                                     : float_text(v.real());
    else
      work_.fail(v.is_undefined() ? *v.undefined()->what + ", so it is no JSON"
                                  : std::string("a ") + v.type() + " is no JSON");
  }

  void add_member(const Value& key, const Value& value) {
    if (key.string()) {
      out_ += json_string_of(*key.string(), style_.ascii);
    } else {
      Writer name(style_, work_);
      name.add_scalar(key);
      out_ += '"' + name.text() + '"';
    }
    out_ += style_.colon;
    add(value);
  }

  template <class All, class Each>
  void add_all(const All& items, char open, char close, const Each& each) {
    out_ += open;
    bool first = true;
    for (const auto& item : items) {
      if (!first) out_ += style_.between;
      first = false;
      if (style_.indent) new_line(depth_);
      each(item);
    }
    if (!first && style_.indent) new_line(depth_ - 1);
    out_ += close;
  }

  void new_line(int levels) {
    work_.spend(style_.indent->size() * static_cast<std::size_t>(levels));
    out_ += '\n';
    for (int i = 0; i < levels; ++i) out_ += *style_.indent;
  }

  Items sorted(Items items) const {
    if (style_.sorted)
      std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
        return a.first.string() && b.first.string() && *a.first.string() < *b.first.string();
      });
    return items;
  }

  const JsonStyle& style_;
  Work& work_;
  std::string out_;
  int depth_ = 0;
};

Value value_of(const nlohmann::ordered_json& json) {
  if (json.is_null()) return {};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number_unsigned() &&
      json.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return json.get<double>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_array()) {
    std::vector<Value> items;
    for (const auto& item : json) items.push_back(value_of(item));
    return Value::list(std::move(items));
  }
  std::vector<std::pair<Value, Value>> items;
  for (const auto& [key, value] : json.items()) items.emplace_back(Value(key), value_of(value));
  return Value::dict(std::move(items));
}

}  // namespace

std::string to_json(const Value& v, const JsonStyle& style, Work& work) {
  Writer writer(style, work);
  writer.add(v);
  return writer.text();
}

// The checks of parse_json (depth, keys given twice, messages), then once more for the keys' order.
Value from_json(std::string_view text, const std::string& where) {
  parse_json(text, where);
  return value_of(nlohmann::ordered_json::parse(text));
}

}  // namespace hone::jinja
