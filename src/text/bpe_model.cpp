// BPE's symbols: what stands for each byte or character of a word before the merges.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/utf8.hpp"
#include "hone/error.hpp"
#include "text/models.hpp"

namespace hone {

UnknownTokens unknown_tokens(const Vocabulary& vocabulary, const std::string& unknown, bool fuse,
                             bool by_bytes) {
  UnknownTokens made{.id = vocabulary.find(unknown), .fuse = fuse, .by_bytes = by_bytes};
  for (unsigned byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    made.byte_ids[byte] = vocabulary.find(name);
  }
  return made;
}

namespace {

// The symbols of a word. Of unknown ones, one is held back until it is known whether the next is unknown too,
// and byte tokens pass it: Hugging Face's order.
class Symbols {
 public:
  Symbols(std::vector<std::int32_t>& ids, const UnknownTokens& unknown) : ids_(ids), unknown_(unknown) {
    ids_.clear();
  }

  void known(std::int32_t id) {
    flush();
    ids_.push_back(id);
  }

  void unknown(std::string_view text) {
    const auto id_of = [&](char c) { return unknown_.byte_ids[static_cast<unsigned char>(c)]; };
    if (unknown_.by_bytes && std::all_of(text.begin(), text.end(), [&](char c) { return id_of(c) >= 0; })) {
      for (const char c : text) ids_.push_back(id_of(c));
      return;
    }
    if (!unknown_.missing.empty())
      throw Error(ErrorKind::input, {.what = "the token for unknown characters is not in the vocabulary",
                                     .where = unknown_.missing,
                                     .found = "'" + std::string(text) + "'"});
    if (unknown_.id < 0) return;
    if (!unknown_.fuse) flush();
    held_ = true;
  }

  void flush() {
    if (held_) ids_.push_back(unknown_.id);
    held_ = false;
  }

 private:
  std::vector<std::int32_t>& ids_;
  const UnknownTokens& unknown_;
  bool held_ = false;
};

}  // namespace

WordModel byte_bpe_model(std::shared_ptr<const Bpe> bpe, UnknownTokens unknown,
                         std::shared_ptr<const Vocabulary> whole_words) {
  return [=](std::string_view word, WordScratch& scratch, std::vector<std::int32_t>& ids) {
    if (whole_words)
      if (const std::int32_t id = whole_words->find(word); id >= 0) return ids.push_back(id);
    Symbols symbols(scratch.bpe.ids, unknown);
    for (const char c : word)
      if (const std::int32_t id = bpe->byte_id(static_cast<unsigned char>(c)); id >= 0)
        symbols.known(id);
      else
        symbols.unknown(to_byte_characters(std::string_view(&c, 1)));
    symbols.flush();
    bpe->merge(scratch.bpe);
    ids.insert(ids.end(), scratch.bpe.ids.begin(), scratch.bpe.ids.end());
  };
}

WordModel character_bpe_model(std::shared_ptr<const Bpe> bpe, std::shared_ptr<const Vocabulary> vocabulary,
                              BpeOptionsOfFile options) {
  return [=](std::string_view word, WordScratch& scratch, std::vector<std::int32_t>& ids) {
    if (options.whole_words_first)
      if (const std::int32_t id = vocabulary->find(word); id >= 0) return ids.push_back(id);
    Symbols symbols(scratch.bpe.ids, options.unknown);
    const bool plain = options.prefix.empty() && options.suffix.empty();
    std::string affixed;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t bytes = std::max<std::size_t>(1, code_point_at(word, at).bytes);
      std::string_view character = word.substr(at, bytes);
      if (!plain) {
        affixed = (at > 0 ? options.prefix : "") + std::string(character) +
                  (at + bytes == word.size() ? options.suffix : "");
        character = affixed;
      }
      if (const std::int32_t id = vocabulary->find(character); id >= 0)
        symbols.known(id);
      else
        symbols.unknown(character);
      at += bytes;
    }
    symbols.flush();
    bpe->merge(scratch.bpe);
    ids.insert(ids.end(), scratch.bpe.ids.begin(), scratch.bpe.ids.end());
  };
}

}  // namespace hone
