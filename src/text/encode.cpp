// A text to ids, in pieces that are cut where no id can change.
#include <algorithm>
#include <cstdio>
#include <unordered_map>
#include <utility>

#include "base/utf8.hpp"
#include "text/split.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {
namespace {

constexpr std::size_t piece_bytes = 256 << 10;

std::string code_point_name(std::uint32_t value) {
  char name[16];
  std::snprintf(name, sizeof name, "U+%04X", static_cast<unsigned>(value));
  return name;
}

[[noreturn]] void refuse_character(std::string_view character, std::uint32_t value, const std::string& where,
                                   std::size_t offset) {
  const std::string shown = value < 0x20 || value == 0x7f ? "" : "'" + std::string(character) + "' ";
  throw UnknownCharacter(
      ErrorKind::input,
      {.what = "the character " + shown + code_point_name(value) + " is not in the tokenizer's vocabulary",
       .where = (where.empty() ? "" : where + ", ") + "byte " + std::to_string(offset),
       .hint = "leave it out, or use a byte or BPE tokenizer"});
}

// Gathers ids and hands them on by the buffer.
class IdBuffer {
 public:
  IdBuffer(const IdSink& sink, std::size_t text_bytes) : sink_(sink) {
    ids_.reserve(std::min(most_ids, text_bytes));
  }

  void push(std::int32_t id) {
    if (ids_.size() == most_ids) flush();
    ids_.push_back(id);
  }
  void push(std::span<const std::int32_t> ids) {
    if (ids.size() > most_ids - ids_.size()) flush();
    if (ids.size() > most_ids) return sink_(ids);
    ids_.insert(ids_.end(), ids.begin(), ids.end());
  }
  void flush() {
    if (!ids_.empty()) sink_(ids_);
    ids_.clear();
  }

 private:
  static constexpr std::size_t most_ids = 1 << 16;
  const IdSink& sink_;
  std::vector<std::int32_t> ids_;
};

// The words of a text repeat: each is merged once, and found again by its bytes. When the cache is full it
// starts anew: 3 MB, which hold the 32,768 commonest words of a language.
class WordCache {
 public:
  explicit WordCache(std::size_t text_bytes) { words_.reserve(std::min(most_bytes, text_bytes)); }

  bool find(std::string_view word, std::span<const std::int32_t>& ids) const {
    const auto it = places_.find(word);
    if (it == places_.end()) return false;
    ids = std::span(ids_).subspan(it->second.begin, it->second.count);
    return true;
  }

  void add(std::string_view word, std::span<const std::int32_t> ids) {
    if (word.size() > longest_word) return;  // such a one does not come again
    if (words_.capacity() - words_.size() < word.size() || places_.size() == most_words) clear();
    const std::size_t begin = words_.size();
    words_ += word;
    places_.emplace(std::string_view(words_).substr(begin), Place{ids_.size(), ids.size()});
    ids_.insert(ids_.end(), ids.begin(), ids.end());
  }

 private:
  static constexpr std::size_t most_bytes = 256 << 10, most_words = 1 << 15, longest_word = 64;
  struct Place {
    std::size_t begin, count;  // in ids_
  };

  void clear() {
    places_.clear();
    words_.clear();
    ids_.clear();
  }

  std::string words_;  // never grows beyond what it reserved: the keys look into it
  std::vector<std::int32_t> ids_;
  std::unordered_map<std::string_view, Place> places_;
};

// The ids of words, each from the cache or the model.
class WordEncoder {
 public:
  WordEncoder(const Tokenizer::Impl& tokenizer, std::size_t text_bytes, IdBuffer& out)
      : t_(tokenizer), out_(out), cache_(text_bytes) {}

  void encode(std::string_view word) {
    std::span<const std::int32_t> ids;
    if (!cache_.find(word, ids)) {
      ids_.clear();
      t_.model(word, scratch_, ids_);
      ids = ids_;
      most_bytes_ = std::max(most_bytes_, word.size() + scratch_.bytes() + ids_.capacity() * sizeof ids_[0]);
      cache_.add(word, ids);
    }
    out_.push(ids);
  }

  std::size_t most_bytes() const { return most_bytes_; }  // that a word took

 private:
  const Tokenizer::Impl& t_;
  IdBuffer& out_;
  WordCache cache_;
  WordScratch scratch_;
  std::vector<std::int32_t> ids_;
  std::size_t most_bytes_ = 0;
};

// A text through the stages of its tokenizer, piece by piece.
class StageEncoder {
 public:
  StageEncoder(const Tokenizer::Impl& tokenizer, std::size_t text_bytes, IdBuffer& out)
      : t_(tokenizer), out_(out), words_(tokenizer, text_bytes, out) {}

  void begin() { next_ = {}; }

  void encode(std::string_view piece) {
    const auto token = [&](const AddedToken& added) {
      out_.push(added.id);
      next_ = {.first = false};
    };
    if (t_.plain_words) return encode_plain_words(piece, token);
    for_each_piece(
        t_.added, piece, false,
        [&](std::string_view section, std::size_t) { encode_section(section, token); }, token);
  }

  std::size_t most_bytes() const { return most_bytes_ + words_.most_bytes(); }  // that a word or section took

 private:
  template <class Token>
  void encode_plain_words(std::string_view piece, const Token& token) {
    for_each_plain_piece(
        t_.added, piece,
        [&](std::string_view plain, std::size_t) {
          WordCursor cursor(plain, *t_.plain_words);
          for (std::string_view word; cursor.next(word);) words_.encode(word);
        },
        token);
  }

  template <class Token>
  void encode_section(std::string_view section, const Token& token) {
    normal_ = section;
    if (t_.normalizer) t_.normalizer(normal_, next_);
    for_each_piece(
        t_.added, normal_, true,
        [&](std::string_view plain, std::size_t) {
          encode_plain(plain);
          next_ = {.first = false, .continued = true};
        },
        token);
    if (!t_.cut.possible) most_bytes_ = std::max(most_bytes_, normal_.capacity());
  }

  void encode_plain(std::string_view plain) {
    if (!t_.pre_tokenizer) return words_.encode(plain);
    split_.text = plain;
    split_.all.assign(1, {0, plain.size(), next_});
    t_.pre_tokenizer(split_);
    for (const Word& word : split_.all) words_.encode(split_.of(word));
    if (!t_.cut.possible)
      most_bytes_ = std::max(most_bytes_, 3 * split_.text.capacity() + split_.all.capacity() * sizeof(Word));
  }

  const Tokenizer::Impl& t_;
  IdBuffer& out_;
  WordEncoder words_;
  std::string normal_;  // the section that is being encoded
  Words split_;
  TextPlace next_;  // of what comes next
  std::size_t most_bytes_ = 0;
};

// Encodes piece after piece of one text.
class Encoder {
 public:
  Encoder(const Tokenizer::Impl& tokenizer, std::size_t text_bytes, const IdSink& sink)
      : t_(tokenizer), out_(sink, text_bytes), stages_(t_, text_bytes, out_) {}

  void begin(std::string where, std::size_t offset) {
    where_ = std::move(where);
    offset_ = offset;
    stages_.begin();
  }

  void encode(std::string_view piece) {
    switch (t_.kind) {
      case TokenizerKind::byte:
        for (const char c : piece) out_.push(static_cast<unsigned char>(c));
        break;
      case TokenizerKind::character:
        for_each_plain_piece(
            t_.added, piece,
            [&](std::string_view plain, std::size_t begin) { encode_characters(plain, offset_ + begin); },
            [&](const AddedToken& token) { out_.push(token.id); });
        break;
      default:
        if (!t_.any_bytes) require_utf8(piece);
        stages_.encode(piece);
        break;
    }
    offset_ += piece.size();
  }

  void require_utf8(std::string_view piece) const {
    for (std::size_t at = 0; at < piece.size();) {
      const std::size_t bytes = code_point_at(piece, at).bytes;
      if (bytes == 0) refuse_invalid_utf8(where_, offset_ + at);
      at += bytes;
    }
  }

  // Hands on what is left; the bytes that the longest word took.
  std::size_t finish() {
    out_.flush();
    return stages_.most_bytes();
  }

 private:
  void encode_characters(std::string_view text, std::size_t offset) {
    for (std::size_t at = 0; at < text.size();) {
      const CodePoint c = code_point_at(text, at);
      if (c.bytes == 0) refuse_invalid_utf8(where_, offset + at);
      const std::int32_t id = c.value < t_.character_ids.size() ? t_.character_ids[c.value] : -1;
      if (id < 0) refuse_character(text.substr(at, c.bytes), c.value, where_, offset + at);
      out_.push(id);
      at += c.bytes;
    }
  }

  const Tokenizer::Impl& t_;
  std::string where_;
  std::size_t offset_ = 0;
  IdBuffer out_;
  StageEncoder stages_;
};

// Where the text may be cut without changing its ids: at `least` or soon behind it.
std::size_t cut_after(const Tokenizer::Impl& t, std::string_view text, std::size_t least) {
  if (text.size() <= least) return text.size();
  if (t.kind == TokenizerKind::byte || t.kind == TokenizerKind::character) {
    std::size_t cut = next_character(text, least);
    while (cut < text.size() && t.added.reach_across(text, cut)) cut = next_character(text, cut + 1);
    return cut;
  }
  if (!t.cut.possible) return text.size();
  std::size_t cut = cut_between_words(t.added, text, least, t.cut.words);
  const auto apart = [&] { return (static_cast<unsigned char>(text[cut - 1] | text[cut]) & 0x80) == 0; };
  while (t.cut.between_ascii && cut < text.size() && !apart())
    cut = cut_between_words(t.added, text, cut + 1, t.cut.words);
  return cut;
}

}  // namespace

std::size_t cut_between_words(const AddedTokens& added, std::string_view text, std::size_t least,
                              WordPattern pattern) {
  const WordCursor words(text, pattern);
  std::size_t cut = words.border(least);
  while (cut < text.size() && added.reach_across(text, cut)) cut = words.border(cut + 1);
  return cut;
}

std::size_t encode_stream(const Tokenizer& tokenizer, std::string_view text, const std::string& where,
                          std::size_t offset, const IdSink& sink) {
  Encoder encoder(tokenizer.impl(), text.size(), sink);
  encoder.begin(where, offset);
  while (!text.empty()) {
    const std::size_t size = cut_after(tokenizer.impl(), text, piece_bytes);
    encoder.encode(text.substr(0, size));
    text.remove_prefix(size);
  }
  return encoder.finish();
}

struct TextEncoder::Parts {
  Tokenizer tokenizer;
  IdSink sink;
  Encoder encoder;
  std::size_t margin;    // behind a cut, without which it may not be one
  std::string held;      // of the text, not encoded yet
  std::size_t least;     // no place before it will do
  std::size_t most = 0;  // bytes of a word, and of `held` around it

  Parts(const Tokenizer& t, IdSink to)
      : tokenizer(t),
        sink(std::move(to)),
        encoder(t.impl(), std::size_t{1} << 20, sink),
        margin(8),
        least(piece_bytes) {
    for (const AddedToken& token : t.impl().added.all()) margin = std::max(margin, 8 + token.content.size());
  }

  void encode_all_but_the_last_word() {
    while (held.size() > least + margin) {
      const std::size_t cut = cut_after(tokenizer.impl(), held, least);
      if (cut + margin > held.size()) {
        least = held.size() - margin;  // what was looked through
        return;
      }
      encode(cut);
    }
  }

  void encode(std::size_t bytes) {
    encoder.encode(std::string_view(held).substr(0, bytes));
    held.erase(0, bytes);
    least = piece_bytes;
  }
};

TextEncoder::TextEncoder(const Tokenizer& tokenizer, IdSink sink)
    : parts_(std::make_unique<Parts>(tokenizer, std::move(sink))) {}
TextEncoder::~TextEncoder() = default;

void TextEncoder::begin(std::string where, std::size_t offset) {
  parts_->encoder.begin(std::move(where), offset);
}

void TextEncoder::add(std::string_view piece) {
  parts_->held += piece;
  parts_->encode_all_but_the_last_word();
}

void TextEncoder::end() {
  Parts& p = *parts_;
  const std::size_t held = p.held.capacity() > 4 * piece_bytes ? p.held.capacity() : 0;
  while (!p.held.empty()) p.encode(cut_after(p.tokenizer.impl(), p.held, piece_bytes));
  p.most = std::max(p.most, held + p.encoder.finish());
  if (held > 0) p.held.shrink_to_fit();
}

std::size_t TextEncoder::most_word_bytes() const { return parts_->most; }

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool with_specials) const {
  std::vector<std::int32_t> ids, framed;
  encode_stream(*this, text, "", 0, [&](auto part) { ids.insert(ids.end(), part.begin(), part.end()); });
  if (impl_->around.size() == 1 && impl_->around[0].text) return ids;
  for (const TemplateItem& item : impl_->around)
    if (const auto& more = item.text ? ids : item.ids; item.text || with_specials)
      framed.insert(framed.end(), more.begin(), more.end());
  return framed;
}

}  // namespace hone
