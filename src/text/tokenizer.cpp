#include "hone/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.hpp"
#include "file/atomic.hpp"
#include "text/tokenizer_impl.hpp"
#include "text/unicode.hpp"
#include "text/vocabulary_folder.hpp"

namespace hone {
void refuse_invalid_utf8(const std::string& where, std::size_t offset) {
  throw Error(ErrorKind::input, {.what = "the text is not valid UTF-8",
                                 .where = where.empty() ? "byte " + std::to_string(offset)
                                                        : where + ", byte " + std::to_string(offset),
                                 .hint = "a byte tokenizer takes any bytes"});
}

void mark_specials(Tokenizer::Impl& t) {
  t.special.assign(t.tokens.size(), false);
  // One that a normalizer renames is found by that name, and no longer known as special by it: so it is
  // elsewhere.
  for (const AddedToken& a : t.added.all())
    t.special[static_cast<std::size_t>(a.id)] = a.special && a.text == a.content;
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
                                   std::vector<AddedToken> added, std::vector<std::string> notes) {
  auto impl = std::make_shared<Tokenizer::Impl>();
  impl->notes = std::move(notes);
  impl->kind = TokenizerKind::character;
  for (const std::uint32_t c : characters) {
    if (c >= impl->character_ids.size()) impl->character_ids.resize(c + 1, -1);
    impl->character_ids[c] = static_cast<std::int32_t>(impl->tokens.size());
    append_utf8(impl->tokens.emplace_back(), c);
  }
  for (const AddedToken& a : added) impl->tokens.push_back(a.content);
  impl->added = AddedTokens(std::move(added));
  mark_specials(*impl);
  return Tokenizer(std::move(impl));
}

void CharacterSet::add(std::string_view text, const std::string& name, std::size_t offset) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.bytes == 0) refuse_invalid_utf8(name, offset + at);
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
  return make_character_tokenizer(characters, {}, {});
}

Tokenizer make_bpe_tokenizer(Tokenizer::Impl parts) {
  auto impl = std::make_shared<Tokenizer::Impl>(std::move(parts));
  impl->kind = TokenizerKind::bpe;
  impl->any_bytes = true;
  impl->model = byte_bpe_model(impl->bpe, {}, nullptr);
  if (impl->splits_words) impl->plain_words = WordPattern::gpt2;
  impl->cut.possible = impl->splits_words;
  mark_specials(*impl);
  return Tokenizer(std::move(impl));
}

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Tokenizer Tokenizer::bytes() { return make_byte_tokenizer(); }

Tokenizer Tokenizer::chars(std::string_view text) {
  CharacterSet characters;
  characters.add(text, "the text", 0);
  return characters.tokenizer();
}

std::optional<Tokenizer> Tokenizer::of_model(const std::string& folder) {
  return has_tokenizer(folder) ? std::optional(open(folder)) : std::nullopt;
}

bool Tokenizer::operator==(const Tokenizer& other) const {
  if (impl_ == other.impl_ || json() == other.json()) return true;
  return impl_->tokens == other.impl_->tokens && impl_->special == other.impl_->special &&
         same_settings(json(), other.json());
}

TokenizerKind Tokenizer::kind() const { return impl_->kind; }

std::int64_t Tokenizer::vocab_size() const { return static_cast<std::int64_t>(impl_->tokens.size()); }

namespace {

// The first of these names that is a special token's.
std::optional<std::int32_t> special_of(const Tokenizer::Impl& t,
                                       std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    for (const AddedToken& a : t.added.all())
      if (a.special && a.content == name) return a.id;
  return std::nullopt;
}

// One more special token behind the ids.
void append_special(std::vector<AddedToken>& added, std::vector<std::string>& tokens, const char* name) {
  if (std::find(tokens.begin(), tokens.end(), name) != tokens.end())
    throw Error(ErrorKind::input, {.what = "the tokenizer has '" + std::string(name) +
                                           "' as an ordinary token, so it cannot be a special one",
                                   .where = "the tokenizer"});
  added.push_back({.content = name, .id = static_cast<std::int32_t>(tokens.size()), .special = true});
  tokens.emplace_back(name);
}

// Bytes as BPE without merges, which may have added tokens.
std::shared_ptr<const Bpe> bytes_as_bpe() {
  std::array<std::int32_t, 256> byte_ids{};
  for (std::size_t b = 0; b < 256; ++b) byte_ids[b] = static_cast<std::int32_t>(b);
  return std::make_shared<const Bpe>(byte_ids, std::vector<BpeMerge>());
}

std::vector<std::uint32_t> characters_of(const Tokenizer::Impl& t) {
  std::vector<std::uint32_t> characters;
  for (std::size_t id = 0; id < t.tokens.size() - t.added.all().size(); ++id)
    characters.push_back(code_point_at(t.tokens[id], 0).value);
  return characters;
}

}  // namespace

std::optional<std::int32_t> Tokenizer::end_of_text() const {
  return special_of(*impl_, {"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>"});
}

SequenceTokens Tokenizer::sequence_tokens() const {
  auto end = end_of_text();
  if (!end) end = special_of(*impl_, {"[EOS]", "[SEP]"});
  return {.begin = special_of(*impl_, {"<s>", "<bos>", "[BOS]", "<|begin_of_text|>", "[CLS]"}),
          .end = end,
          .padding = special_of(*impl_, {"<pad>", "[PAD]", "<|pad|>"})};
}

Tokenizer Tokenizer::with_sequence_tokens() const {
  const SequenceTokens own = sequence_tokens();
  if (own.begin && own.end && own.padding) return *this;
  std::vector<AddedToken> added = impl_->added.all();
  const std::size_t before = added.size();
  Impl parts{.tokens = impl_->tokens,
             .bpe = kind() == TokenizerKind::byte ? bytes_as_bpe() : impl_->bpe,
             .splits_words = kind() == TokenizerKind::bpe && impl_->splits_words,
             .notes = impl_->notes};
  if (!own.begin) append_special(added, parts.tokens, "<s>");
  if (!own.end) append_special(added, parts.tokens, "</s>");
  if (!own.padding) append_special(added, parts.tokens, "<pad>");
  const bool written_by_hone = kind() == TokenizerKind::byte || kind() == TokenizerKind::character;
  if (!written_by_hone && !impl_->source.empty()) {
    std::string where = "the tokenizer with <s>, </s> and <pad>";
    return parse(with_added_tokens(impl_->source, std::span(added).subspan(before)), where);
  }
  if (kind() == TokenizerKind::character)
    return make_character_tokenizer(characters_of(*impl_), std::move(added), std::move(parts.notes));
  parts.added = AddedTokens(std::move(added));
  return make_bpe_tokenizer(std::move(parts));
}

const std::vector<std::string>& Tokenizer::notes() const { return impl_->notes; }

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

std::optional<std::int32_t> Tokenizer::find(std::string_view token) const {
  for (const AddedToken& a : impl_->added.all())
    if (a.content == token) return a.id;
  const auto it = std::find(impl_->tokens.begin(), impl_->tokens.end(), token);
  if (token.empty() || it == impl_->tokens.end()) return std::nullopt;
  return static_cast<std::int32_t>(it - impl_->tokens.begin());
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
