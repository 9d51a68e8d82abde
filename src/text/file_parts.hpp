// The parts of a tokenizer.json that are no stages: vocabulary, merges, added tokens.
#pragma once
#include <string>
#include <vector>

#include "hone/error.hpp"
#include "text/added_tokens.hpp"
#include "text/bpe.hpp"
#include "text/json_place.hpp"
#include "text/models.hpp"
#include "text/vocabulary.hpp"

namespace hone {

// Ids may have gaps, of 65536 altogether; `limit` is the first that is too large, for the file's other ids
// too.
Vocabulary read_vocabulary(const JsonPlace& at, std::int64_t& limit);
std::vector<UnigramPiece> read_pieces(const JsonPlace& at);  // [["token", score], ...]
// Behind `prefix`, which every part of a word but the first bears, the right one goes on.
std::vector<BpeMerge> read_merges(const JsonPlace& at, const Vocabulary& ids, const std::string& prefix);

// The tokenizers of Hugging Face go by the vocabulary for an added token's id, and past its end by the order
// of the list; so does hone, and says so in a note where the file says otherwise. `normalize`: see
// AddedTokens.
AddedTokens read_added_tokens(const JsonPlace& at, const Vocabulary& ids, std::int64_t limit,
                              const std::function<void(std::string&)>& normalize,
                              std::vector<std::string>& notes);

// What each id stands for: bytes, where the vocabulary writes bytes as characters.
std::vector<std::string> tokens_by_id(const Vocabulary& ids, const AddedTokens& added, bool as_bytes,
                                      const std::string& where);

}  // namespace hone
