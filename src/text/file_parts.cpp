#include "text/file_parts.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

namespace hone {
namespace {

using nlohmann::json;
constexpr std::int64_t most_unused_ids = 65536;

std::string in_quotes(const std::string& text) { return json(text).dump(-1, ' ', true).substr(0, 80); }

std::int32_t checked_id(const JsonPlace& at, const json& value, std::int64_t limit,
                        const std::string& token) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= static_cast<std::uint64_t>(limit))
    at.refuse("the id of token " + in_quotes(token) + " is not a whole number below " + std::to_string(limit),
              value.dump().substr(0, 40));
  return static_cast<std::int32_t>(value.get<std::uint64_t>());
}

// The pair of a merge: "a b", or ["a", "b"] as newer files have it.
std::pair<std::string, std::string> merge_pair(const JsonPlace& list, std::size_t rank) {
  const json& merge = list.json()[rank];
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const auto space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos)
      return {text.substr(0, space), text.substr(space + 1)};
  } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  list[rank].refuse("a merge is not a pair of tokens", merge.dump(-1, ' ', true).substr(0, 80));
}

void set_token(std::vector<std::string>& tokens, std::int32_t id, std::string text) {
  const auto index = static_cast<std::size_t>(id);
  if (index >= tokens.size()) tokens.resize(index + 1);
  tokens[index] = std::move(text);
}

AddedToken read_added_token(const JsonPlace& at) {
  const bool special = at["special"].flag_or(false);
  return {.content = at.required("content").text(),
          .id = 0,
          .special = special,
          .normalized = at["normalized"].flag_or(!special),
          .lstrip = at["lstrip"].flag_or(false),
          .rstrip = at["rstrip"].flag_or(false),
          .single_word = at["single_word"].flag_or(false)};
}

}  // namespace

Vocabulary read_vocabulary(const JsonPlace& at, std::int64_t& limit) {
  if (!at.json().is_object()) at.refuse("the vocabulary is not an object of tokens and ids", at.shown());
  limit += static_cast<std::int64_t>(at.json().size()) + most_unused_ids;
  Vocabulary ids;
  ids.reserve(at.json().size());
  std::unordered_map<std::int32_t, const std::string*> taken;
  taken.reserve(at.json().size());
  for (const auto& [token, id] : at.json().get_ref<const json::object_t&>()) {
    const std::int32_t checked = checked_id(at, id, limit, token);
    if (const auto [it, fresh] = taken.emplace(checked, &token); !fresh)
      at.refuse("two tokens have the id " + std::to_string(checked),
                in_quotes(*it->second) + " and " + in_quotes(token));
    ids.add(token, checked);
  }
  return ids;
}

std::vector<UnigramPiece> read_pieces(const JsonPlace& at) {
  if (!at.json().is_array()) at.refuse("the vocabulary is not a list of tokens and scores", at.shown());
  std::vector<UnigramPiece> pieces;
  pieces.reserve(at.json().size());
  for (std::size_t i = 0; i < at.json().size(); ++i) {
    const json& piece = at.json()[i];
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number())
      at[i].refuse("not a token and its score", at[i].shown());
    pieces.push_back({piece[0].get<std::string>(), piece[1].get<double>()});
    if (!std::isfinite(pieces.back().score)) at[i].refuse("a score that is not finite");
  }
  return pieces;
}

std::vector<BpeMerge> read_merges(const JsonPlace& at, const Vocabulary& ids, const std::string& prefix) {
  if (!at.json().is_array()) at.refuse("the merges are not a list", at.shown());
  std::vector<BpeMerge> merges;
  merges.reserve(at.json().size());
  for (std::size_t i = 0; i < at.json().size(); ++i) {
    const json& merge = at.json()[i];
    if (merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version"))
      continue;  // of merges.txt
    const auto [left, right] = merge_pair(at, i);
    const auto id_of = [&](const std::string& token) {
      const std::int32_t id = ids.find(token);
      if (id < 0) at[i].refuse("the merge needs a token that the vocabulary lacks", in_quotes(token));
      return id;
    };
    if (right.size() < prefix.size())
      at[i].refuse("the right side of the merge lacks the prefix", in_quotes(right));
    merges.push_back({id_of(left), id_of(right), id_of(left + right.substr(prefix.size()))});
  }
  return merges;
}

AddedTokens read_added_tokens(const JsonPlace& at, const Vocabulary& ids, std::int64_t limit,
                              const std::function<void(std::string&)>& normalize,
                              std::vector<std::string>& notes) {
  std::vector<AddedToken> added;
  std::unordered_map<std::string, std::size_t> places;
  std::string moved;  // the first whose id the file gets wrong
  auto next = static_cast<std::int32_t>(ids.size());
  if (at.is_null()) return {};
  for (const JsonPlace& entry : at.elements()) {
    AddedToken token = read_added_token(entry);
    if (token.content.empty()) entry.refuse("an added token is empty");
    const std::int32_t said = checked_id(entry, entry.required("id").json(), limit, token.content);
    const std::int32_t known = ids.find(token.content);
    token.id = known < 0 ? next : known;
    if (!places.emplace(token.content, added.size()).second) continue;  // named twice
    next = std::max(next, token.id + 1);
    if (token.id != said && moved.empty())
      moved = entry.where() + ": by the vocabulary the id of " + in_quotes(token.content) + " is " +
              std::to_string(token.id) + ", not " + std::to_string(said) + ", and so it is here";
    added.push_back(std::move(token));
  }
  if (!moved.empty()) notes.push_back(moved);
  return AddedTokens(std::move(added), normalize);
}

std::vector<std::string> tokens_by_id(const Vocabulary& ids, const AddedTokens& added, bool as_bytes,
                                      const std::string& where) {
  std::vector<std::string> tokens;
  std::unordered_map<std::int32_t, const std::string*> added_ids;
  std::string bytes;
  const auto written = [&](const std::string& token) {
    return as_bytes && from_byte_characters(token, bytes) ? bytes : token;
  };
  const auto refuse = [&](std::int32_t id, const std::string& a, const std::string& b) {
    throw Error(ErrorKind::input, {.what = "two tokens have the id " + std::to_string(id),
                                   .where = where,
                                   .found = in_quotes(a) + " and " + in_quotes(b)});
  };
  for (const AddedToken& a : added.all()) {
    if (const auto [it, fresh] = added_ids.emplace(a.id, &a.content); !fresh)
      refuse(a.id, *it->second, a.content);
    set_token(tokens, a.id, written(a.text));
  }
  for (const auto& [token, id] : ids) {
    if (const auto it = added_ids.find(id); it != added_ids.end()) {
      if (*it->second != token) refuse(id, *it->second, token);
      continue;
    }
    set_token(tokens, id, written(token));
  }
  if (tokens.empty()) throw Error(ErrorKind::input, {.what = "the vocabulary is empty", .where = where});
  return tokens;
}

}  // namespace hone
