// Models: the ids of one word. Each is a record in models.cpp's table.
#pragma once
#include <array>
#include <memory>

#include "text/json_place.hpp"
#include "text/stages.hpp"
#include "text/vocabulary.hpp"

namespace hone {

// What becomes of a character that no token begins with.
struct UnknownTokens {
  std::int32_t id = Vocabulary::none;  // none: nothing
  bool fuse = false;                   // those that stand together are one
  std::string missing{};               // where a token for them is named that the vocabulary lacks
  // <0x00> to <0xFF>, tried first where `by_bytes`; a character one of whose bytes has none is unknown.
  bool by_bytes = false;
  std::array<std::int32_t, 256> byte_ids{};
};
UnknownTokens unknown_tokens(const Vocabulary& vocabulary, const std::string& unknown, bool fuse,
                             bool by_bytes);

struct BpeOptionsOfFile {
  UnknownTokens unknown{};
  std::string prefix{}, suffix{};  // of every character but a word's first, of its last
  bool whole_words_first = false;  // a word that is a token needs no merges to it
};

// Over bytes: bpe.byte_id; `whole_words` are those that are tokens, by their bytes.
WordModel byte_bpe_model(std::shared_ptr<const Bpe> bpe, UnknownTokens unknown,
                         std::shared_ptr<const Vocabulary> whole_words);
// Over characters.
WordModel character_bpe_model(std::shared_ptr<const Bpe> bpe, std::shared_ptr<const Vocabulary> vocabulary,
                              BpeOptionsOfFile options);

struct WordPieceOptions {
  std::string unknown = "[UNK]", prefix = "##";
  std::int64_t most_characters = 100;  // of a word; a longer one is unknown
};
WordModel word_piece_model(std::shared_ptr<const Vocabulary> vocabulary, const WordPieceOptions& options,
                           const std::string& where);
WordModel word_level_model(std::shared_ptr<const Vocabulary> vocabulary, const std::string& unknown,
                           const std::string& where);

struct UnigramPiece {
  std::string text;
  double score;
};
struct UnigramOptions {
  std::int32_t unknown = Vocabulary::none;
  bool by_bytes = false;
};
WordModel unigram_model(const std::vector<UnigramPiece>& pieces, const UnigramOptions& options,
                        const std::string& where);

}  // namespace hone
