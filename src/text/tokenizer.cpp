#include "hone/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <unordered_map>
#include <utility>

#include "base/utf8.hpp"
#include "file/atomic.hpp"
#include "file/mapped.hpp"
#include "text/split.hpp"
#include "text/tokenizer_impl.hpp"
#include "text/unicode.hpp"

namespace hone {
namespace {

constexpr std::size_t piece_bytes = 4 << 20;        // of encode_stream
constexpr std::size_t most_cached_words = 1 << 18;  // then the cache starts anew: some 20 MB

std::string code_point_name(std::uint32_t value) {
  char name[16];
  std::snprintf(name, sizeof name, "U+%04X", static_cast<unsigned>(value));
  return name;
}

[[noreturn]] void refuse_invalid_utf8(const std::string& where, std::size_t offset) {
  throw Error(ErrorKind::input, {.what = "the text is not valid UTF-8",
                                 .where = where.empty() ? "byte " + std::to_string(offset)
                                                        : where + ", byte " + std::to_string(offset),
                                 .hint = "a byte tokenizer takes any bytes"});
}

[[noreturn]] void refuse_character(std::string_view character, std::uint32_t value, const std::string& where,
                                   std::size_t offset) {
  const std::string shown = value < 0x20 || value == 0x7f ? "" : "'" + std::string(character) + "' ";
  throw Error(
      ErrorKind::input,
      {.what = "the character " + shown + code_point_name(value) + " is not in the tokenizer's vocabulary",
       .where = (where.empty() ? "" : where + ", ") + "byte " + std::to_string(offset),
       .hint = "leave it out, or use a byte or BPE tokenizer"});
}

void encode_bytes(std::string_view text, std::vector<std::int32_t>& out) {
  out.reserve(out.size() + text.size());
  for (const char c : text) out.push_back(static_cast<unsigned char>(c));
}

void encode_characters(const Tokenizer::Impl& t, std::string_view text, const std::string& where,
                       std::size_t offset, std::vector<std::int32_t>& out) {
  out.reserve(out.size() + text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.bytes == 0) refuse_invalid_utf8(where, offset + at);
    const std::int32_t id = c.value < t.character_ids.size() ? t.character_ids[c.value] : -1;
    if (id < 0) refuse_character(text.substr(at, c.bytes), c.value, where, offset + at);
    out.push_back(id);
    at += c.bytes;
  }
}

// The words of a text repeat: each is merged once, and found again by its bytes.
class BpeEncoder {
 public:
  BpeEncoder(const Tokenizer::Impl& tokenizer, std::vector<std::int32_t>& out) : t_(tokenizer), out_(out) {}

  void encode(std::string_view text) {
    for_each_piece(
        t_.added, text, [&](std::string_view piece) { encode_plain(piece); },
        [&](const AddedToken& token) { out_.push_back(token.id); });
  }

 private:
  struct Range {
    std::size_t begin, count;
  };

  void encode_plain(std::string_view text) {
    if (!t_.splits_words) return encode_word(text);
    WordCursor cursor(text);
    for (std::string_view word; cursor.next(word);) encode_word(word);
  }

  void encode_word(std::string_view word) {
    if (t_.whole_words_first) {
      if (const auto it = t_.words.find(word); it != t_.words.end()) return out_.push_back(it->second);
    }
    if (const auto it = cache_.find(word); it != cache_.end()) {
      for (std::size_t i = 0; i < it->second.count; ++i) out_.push_back(out_[it->second.begin + i]);
      return;
    }
    const std::size_t begin = out_.size();
    t_.bpe.encode_word(word, scratch_, out_);
    if (cache_.size() == most_cached_words) cache_.clear();
    cache_.emplace(word, Range{begin, out_.size() - begin});
  }

  const Tokenizer::Impl& t_;
  std::vector<std::int32_t>& out_;
  Bpe::Scratch scratch_;
  std::unordered_map<std::string_view, Range> cache_;  // into the text and into out_
};

void encode_piece(const Tokenizer::Impl& t, std::string_view text, const std::string& where,
                  std::size_t offset, std::vector<std::int32_t>& out) {
  switch (t.kind) {
    case TokenizerKind::byte:
      return encode_bytes(text, out);
    case TokenizerKind::character:
      return encode_characters(t, text, where, offset, out);
    case TokenizerKind::bpe:
      return BpeEncoder(t, out).encode(text);
  }
}

// Where a text may be cut without changing its ids: before a newline that follows a visible ASCII character.
// GPT-2's pattern ends a word there in any case, and looks ahead over white space only.
std::size_t cut_after(const Tokenizer::Impl& t, std::string_view text, std::size_t least) {
  if (t.kind == TokenizerKind::bpe && !t.splits_words) return text.size();
  if (t.added.may_hold_newline()) return text.size();
  for (std::size_t at = least; at < text.size(); ++at)
    if (text[at] == '\n' && text[at - 1] > ' ' && text[at - 1] < 0x7f) return at;
  return text.size();
}

}  // namespace

void encode_stream(const Tokenizer& tokenizer, std::string_view text, const std::string& where,
                   std::size_t offset, const IdSink& sink) {
  std::vector<std::int32_t> ids;
  while (!text.empty()) {
    const std::size_t size =
        text.size() <= piece_bytes ? text.size() : cut_after(tokenizer.impl(), text, piece_bytes);
    ids.clear();
    encode_piece(tokenizer.impl(), text.substr(0, size), where, offset, ids);
    sink(ids);
    text.remove_prefix(size);
    offset += size;
  }
}

Tokenizer make_byte_tokenizer(std::vector<std::string> notes) {
  auto impl = std::make_shared<Tokenizer::Impl>();
  impl->notes = std::move(notes);
  impl->kind = TokenizerKind::byte;
  for (int b = 0; b < 256; ++b) impl->tokens.emplace_back(1, static_cast<char>(b));
  impl->special.assign(256, false);
  return Tokenizer(std::move(impl));
}

Tokenizer make_character_tokenizer(const std::vector<std::uint32_t>& characters,
                                   std::vector<std::string> notes) {
  auto impl = std::make_shared<Tokenizer::Impl>();
  impl->notes = std::move(notes);
  impl->kind = TokenizerKind::character;
  for (const std::uint32_t c : characters) {
    if (c >= impl->character_ids.size()) impl->character_ids.resize(c + 1, -1);
    impl->character_ids[c] = static_cast<std::int32_t>(impl->tokens.size());
    append_utf8(impl->tokens.emplace_back(), c);
  }
  impl->special.assign(characters.size(), false);
  return Tokenizer(std::move(impl));
}

void CharacterSet::add(std::string_view text, const std::string& name) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.bytes == 0) refuse_invalid_utf8(name, at);
    seen_[c.value] = true;
    at += c.bytes;
  }
}

Tokenizer CharacterSet::tokenizer() const {
  std::vector<std::uint32_t> characters;
  for (std::uint32_t c = 0; c < seen_.size(); ++c)
    if (seen_[c]) characters.push_back(c);
  if (characters.empty())
    throw Error(ErrorKind::input,
                {.what = "a character vocabulary needs a text, and this one is empty", .where = "the text"});
  return make_character_tokenizer(characters);
}

Tokenizer make_bpe_tokenizer(Tokenizer::Impl parts) {
  auto impl = std::make_shared<Tokenizer::Impl>(std::move(parts));
  impl->kind = TokenizerKind::bpe;
  impl->special.assign(impl->tokens.size(), false);
  for (const AddedToken& a : impl->added.all()) impl->special[static_cast<std::size_t>(a.id)] = a.special;
  if (impl->whole_words_first)
    for (std::size_t id = 0; id < impl->tokens.size(); ++id)
      if (!impl->tokens[id].empty() && !impl->special[id])
        impl->words.emplace(impl->tokens[id], static_cast<std::int32_t>(id));
  return Tokenizer(std::move(impl));
}

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Tokenizer Tokenizer::bytes() { return make_byte_tokenizer(); }

Tokenizer Tokenizer::chars(std::string_view text) {
  CharacterSet characters;
  characters.add(text, "the text");
  return characters.tokenizer();
}

std::optional<Tokenizer> Tokenizer::of_model(const std::string& folder) {
  if (!is_file(folder + "/tokenizer.json")) return std::nullopt;
  return open(folder);
}

bool Tokenizer::operator==(const Tokenizer& other) const {
  return impl_ == other.impl_ || json() == other.json();
}

TokenizerKind Tokenizer::kind() const { return impl_->kind; }

std::int64_t Tokenizer::vocab_size() const { return static_cast<std::int64_t>(impl_->tokens.size()); }

std::optional<std::int32_t> Tokenizer::end_of_text() const {
  constexpr std::array<std::string_view, 5> names{"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>",
                                                  "<|im_end|>"};
  for (const std::string_view name : names)
    for (const AddedToken& a : impl_->added.all())
      if (a.special && a.content == name) return a.id;
  return std::nullopt;
}

const std::vector<std::string>& Tokenizer::notes() const { return impl_->notes; }

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> ids;
  encode_piece(*impl_, text, "", 0, ids);
  return ids;
}

std::string_view Tokenizer::token(std::int32_t id) const {
  if (id < 0 || id >= vocab_size())
    throw Error(ErrorKind::input, {.what = "a token id is outside the vocabulary",
                                   .expected = "0 to " + std::to_string(vocab_size() - 1),
                                   .found = std::to_string(id)});
  return impl_->tokens[static_cast<std::size_t>(id)];
}

bool Tokenizer::is_special(std::int32_t id) const {
  return !token(id).empty() && impl_->special[static_cast<std::size_t>(id)];
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool with_specials) const {
  std::string text;
  for (const std::int32_t id : ids)
    if (with_specials || !is_special(id)) text += token(id);
  return text;
}

const char* unicode_version() { return unicode_data_version; }

std::string as_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t good = code_point_at(bytes, at).bytes, step = good ? good : broken_bytes(bytes, at);
    text += good ? bytes.substr(at, good) : "\xEF\xBF\xBD";
    at += step;
  }
  return text;
}

void Tokenizer::save(const std::string& folder) const {
  make_folders(folder);
  write_file(folder + "/tokenizer.json", json());
}

}  // namespace hone
