// WordPiece (Schuster and Nakajima 2012, as BERT has it): of a word the longest token first, then of the
// rest. And WordLevel: a word is a token.
#include <algorithm>
#include <utility>

#include "base/utf8.hpp"
#include "hone/error.hpp"
#include "text/models.hpp"

namespace hone {
namespace {

[[noreturn]] void refuse_unknown(std::string_view word, const std::string& unknown,
                                 const std::string& where) {
  throw Error(ErrorKind::input,
              {.what = "the vocabulary lacks a word of the text, and the token for unknown ones",
               .where = where,
               .expected = "\"" + unknown + "\" in model.vocab",
               .found = "'" + std::string(word.substr(0, 60)) + "'"});
}

std::size_t characters_in(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

// The longest token that `rest` begins with, as the vocabulary writes it behind `prefix`: id and bytes of
// `rest`.
std::pair<std::int32_t, std::size_t> longest_token(const Vocabulary& vocabulary, std::string_view rest,
                                                   std::string_view prefix, std::size_t longest) {
  std::string token(prefix);
  token += rest.substr(0, longest);
  for (std::size_t bytes = token.size() - prefix.size(); bytes > 0; --bytes) {
    if (bytes < rest.size() && continues_character(rest[bytes])) continue;
    const std::int32_t id = vocabulary.find(std::string_view(token).substr(0, prefix.size() + bytes));
    if (id >= 0) return {id, bytes};
  }
  return {Vocabulary::none, 0};
}

}  // namespace

WordModel word_piece_model(std::shared_ptr<const Vocabulary> vocabulary, const WordPieceOptions& options,
                           const std::string& where) {
  std::size_t longest = 1;
  for (const auto& [token, id] : *vocabulary) longest = std::max(longest, token.size());
  const std::int32_t unknown = vocabulary->find(options.unknown);
  return [=](std::string_view word, WordScratch&, std::vector<std::int32_t>& ids) {
    const std::size_t before = ids.size();
    bool good = characters_in(word) <= static_cast<std::size_t>(options.most_characters);
    for (std::size_t at = 0; good && at < word.size();) {
      const auto [id, bytes] = longest_token(*vocabulary, word.substr(at),
                                             at > 0 ? std::string_view(options.prefix) : "", longest);
      good = id >= 0;
      if (good) ids.push_back(id);
      at += bytes;
    }
    if (good) return;
    ids.resize(before);
    if (unknown < 0) refuse_unknown(word, options.unknown, where);
    ids.push_back(unknown);
  };
}

WordModel word_level_model(std::shared_ptr<const Vocabulary> vocabulary, const std::string& unknown,
                           const std::string& where) {
  return [=](std::string_view word, WordScratch&, std::vector<std::int32_t>& ids) {
    std::int32_t id = vocabulary->find(word);
    if (id < 0) id = vocabulary->find(unknown);
    if (id < 0) refuse_unknown(word, unknown, where);
    ids.push_back(id);
  };
}

}  // namespace hone
