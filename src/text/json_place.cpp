#include "text/json_place.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "hone/error.hpp"

namespace hone {
namespace {

const nlohmann::json& null_json() {
  static const nlohmann::json null;
  return null;
}

}  // namespace

bool JsonPlace::is_null() const { return value_->is_null(); }

JsonPlace JsonPlace::operator[](const char* key) const {
  if (value_->is_null()) return {*value_, file_, path_};
  if (!value_->is_object()) refuse_type("an object");
  const auto it = value_->find(key);
  return {it == value_->end() ? null_json() : *it, file_, path_.empty() ? key : path_ + "." + key};
}

JsonPlace JsonPlace::operator[](std::size_t index) const {
  return {value_->at(index), file_, path_ + "[" + std::to_string(index) + "]"};
}

JsonPlace JsonPlace::required(const char* key) const {
  JsonPlace member = (*this)[key];
  if (member.is_null()) refuse(std::string("\"") + key + "\" is missing");
  return member;
}

std::vector<JsonPlace> JsonPlace::elements() const {
  if (!value_->is_array()) refuse_type("a list");
  std::vector<JsonPlace> all;
  all.reserve(value_->size());
  for (std::size_t i = 0; i < value_->size(); ++i) all.push_back((*this)[i]);
  return all;
}

std::string JsonPlace::text() const {
  if (!value_->is_string()) refuse_type("a string");
  return value_->get<std::string>();
}

std::string JsonPlace::text_or(std::string_view otherwise) const {
  return is_null() ? std::string(otherwise) : text();
}

bool JsonPlace::flag_or(bool otherwise) const {
  if (is_null()) return otherwise;
  if (!value_->is_boolean()) refuse_type("true or false");
  return value_->get<bool>();
}

std::int64_t JsonPlace::whole() const {
  const bool fits = value_->is_number_unsigned()
                        ? value_->get<std::uint64_t>() <=
                              static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())
                        : value_->is_number_integer();
  if (!fits) refuse_type("a whole number");
  return value_->get<std::int64_t>();
}

double JsonPlace::number() const {
  if (!value_->is_number()) refuse_type("a number");
  return value_->get<double>();
}

std::string JsonPlace::type() const {
  if (!value_->is_object()) return {};
  const auto it = value_->find("type");
  return it != value_->end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::string JsonPlace::shown() const {
  std::string text = value_->dump(-1, ' ', true);
  if (text.size() > 120) text = text.substr(0, 120) + "...";
  return text;
}

void JsonPlace::refuse(std::string what, std::string found, std::string hint) const {
  throw Error(
      ErrorKind::input,
      {.what = std::move(what), .where = where(), .found = std::move(found), .hint = std::move(hint)});
}

void JsonPlace::refuse_type(const char* expected) const {
  throw Error(
      ErrorKind::input,
      {.what = "a value of the wrong type", .where = where(), .expected = expected, .found = shown()});
}

}  // namespace hone
