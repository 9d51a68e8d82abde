// Tokens as a vocabulary writes them, and their ids.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace hone {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

class Vocabulary {
 public:
  static constexpr std::int32_t none = -1;

  std::int32_t find(std::string_view token) const {
    const auto it = ids_.find(token);
    return it == ids_.end() ? none : it->second;
  }
  bool contains(std::string_view token) const { return ids_.contains(token); }
  // False where the token has an id already, which stays.
  bool add(std::string token, std::int32_t id) { return ids_.emplace(std::move(token), id).second; }
  void set(std::string token, std::int32_t id) { ids_[std::move(token)] = id; }
  void reserve(std::size_t count) { ids_.reserve(count); }
  std::size_t size() const { return ids_.size(); }
  auto begin() const { return ids_.begin(); }
  auto end() const { return ids_.end(); }

 private:
  std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>> ids_;
};

}  // namespace hone
