// A value in a JSON file that knows where it stands, for messages: "t.json, model.merges[17]".
#pragma once
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

class JsonPlace {
 public:
  JsonPlace(const nlohmann::json& value, std::string file) : value_(&value), file_(std::move(file)) {}

  const nlohmann::json& json() const { return *value_; }
  bool is_null() const;  // absent members are null
  std::string where() const { return path_.empty() ? file_ : file_ + ", " + path_; }
  const std::string& path() const { return path_; }

  JsonPlace operator[](const char* key) const;    // Error(input): no object
  JsonPlace operator[](std::size_t index) const;  // of a list
  JsonPlace required(const char* key) const;      // Error(input): absent
  std::vector<JsonPlace> elements() const;        // Error(input): no list

  std::string text() const;
  std::string text_or(std::string_view otherwise) const;  // where it is null
  bool flag_or(bool otherwise) const;
  std::int64_t whole() const;
  double number() const;
  std::string type() const;   // of an object its "type", if it has one
  std::string shown() const;  // the value, cut to a line

  [[noreturn]] void refuse(std::string what, std::string found = {}, std::string hint = {}) const;

 private:
  JsonPlace(const nlohmann::json& value, std::string file, std::string path)
      : value_(&value), file_(std::move(file)), path_(std::move(path)) {}
  [[noreturn]] void refuse_type(const char* expected) const;

  const nlohmann::json* value_;
  std::string file_, path_;
};

}  // namespace hone
