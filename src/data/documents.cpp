#include "data/documents.hpp"

#include "hone/text.hpp"

#include <algorithm>
#include <array>

#include "base/utf8.hpp"
#include "file/format.hpp"
#include "file/mapped.hpp"
#include "hone/error.hpp"
#include "machine/memory.hpp"
#include "text/bpe_trainer.hpp"

namespace hone {
namespace {

std::size_t nine_tenths(std::size_t n) { return n / 10 * 9 + n % 10 * 9 / 10; }

std::size_t border_before(std::string_view text, std::size_t cut) {
  while (cut > 0 && cut < text.size() && continues_character(text[cut])) --cut;
  return cut;
}

std::size_t cut_by_bytes(std::string_view text) { return border_before(text, nine_tenths(text.size())); }

std::size_t characters_in(std::string_view text) {
  const auto begins = [](char c) { return !continues_character(c); };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins));
}

constexpr std::size_t piece_bytes = 1 << 20;  // of a text that passes through once

// Counts by pieces, each released when it was read; the second pass skips the whole pieces before the cut.
template <class Release>
std::size_t cut_by_characters(std::string_view text, const Release& release) {
  std::vector<std::size_t> pieces;
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size(); at += piece_bytes) {
    pieces.push_back(characters_in(text.substr(at, piece_bytes)));
    characters += pieces.back();
    release(at, piece_bytes);
  }
  std::size_t left = nine_tenths(characters), cut = 0;
  for (std::size_t piece = 0; piece < pieces.size() && left >= pieces[piece]; ++piece) {
    left -= pieces[piece];
    cut += piece_bytes;
  }
  for (cut = std::min(cut, text.size()); cut < text.size(); ++cut)
    if (!continues_character(text[cut]) && left-- == 0) break;
  return cut;
}

MappedFile opened(const TextFile& text) {
  MappedFile file(text.path);
  if (file.size() != text.mark_bytes + text.bytes)
    throw Error(ErrorKind::input, {.what = "the file was changed while it was read",
                                   .where = text.path,
                                   .expected = std::to_string(text.mark_bytes + text.bytes) + " bytes",
                                   .found = std::to_string(file.size())});
  return file;
}

// A document's text in pieces of whole characters, each given back when it was read: visit(piece, its first
// byte in the file).
template <class Visit>
void read_through(const Document& d, const Visit& visit) {
  const MappedFile file = opened(d.file);
  for (std::size_t at = d.file.mark_bytes, end = 0; at < file.size(); at = end) {
    end = next_character(file.text(), std::min(at + piece_bytes, file.size()));
    visit(file.text().substr(at, end - at), at);
    file.drop(at, end - at);
  }
}

// What ends each of several documents: end-of-text, else a newline, if the vocabulary has either.
std::vector<std::int32_t> document_end(const Tokenizer& tokenizer) {
  if (const auto end = tokenizer.end_of_text()) return {*end};
  const auto& characters = tokenizer.impl().character_ids;
  const bool lacks_newline =
      tokenizer.kind() == TokenizerKind::character && (characters.size() <= '\n' || characters['\n'] < 0);
  return lacks_newline ? std::vector<std::int32_t>{} : tokenizer.encode("\n");
}

std::string note_of(const std::string& folder, const std::vector<std::string>& skipped) {
  constexpr std::size_t most = 12;
  std::string text = folder + ": left out: ";
  for (std::size_t i = 0; i < std::min(most, skipped.size()); ++i)
    text += (i == 0 ? "" : ", ") + skipped[i].substr(folder.size() + 1);
  return skipped.size() > most ? text + " and " + std::to_string(skipped.size() - most) + " more" : text;
}

[[noreturn]] void refuse_no_text(const std::string& path, std::string_view found, const char* hint) {
  throw Error(
      ErrorKind::input,
      {.what = "not a text", .where = path, .expected = {}, .found = std::string(found), .hint = hint});
}

}  // namespace

std::size_t training_bytes(std::string_view text, bool by_characters) {
  return by_characters ? cut_by_characters(text, [](std::size_t, std::size_t) {}) : cut_by_bytes(text);
}

Documents::Documents(const std::string& path) {
  if (is_folder(path)) {
    TextFiles found = text_files_in(path);
    for (auto& file : found.files) documents_.push_back({std::move(file)});
    if (!found.skipped.empty()) notes_.push_back(note_of(path, found.skipped));
    if (documents_.empty())
      throw Error(ErrorKind::input,
                  {.what = "the folder has no text: no file in it, or only such as are empty or no text",
                   .where = path,
                   .hint = notes_.empty() ? "" : notes_[0]});
    return;
  }
  const MappedFile file(path);
  documents_.push_back({text_file(path, file.text())});
  if (documents_[0].file.bytes == 0)
    throw Error(ErrorKind::input, {.what = "the text is empty", .where = path});
  if (const std::string_view format = packed_format(file.text()); !format.empty())
    refuse_no_text(path, format, "unpack or convert it to plain UTF-8 first");
}

void Documents::require_text() const {
  if (documents_.size() > 1) return;
  const MappedFile file = opened(documents_[0].file);
  if (const std::string_view reason = why_no_text(file.text(), true); !reason.empty())
    refuse_no_text(file.path(), reason,
                   "convert it to UTF-8, or name the byte tokenizer: it takes any bytes");
}

void Documents::split(bool by_characters) {
  if (documents_.size() == 1) {
    const std::size_t mark_bytes = documents_[0].file.mark_bytes;
    const MappedFile file = opened(documents_[0].file);
    const std::string_view text = file.text().substr(mark_bytes);
    const auto release = [&](std::size_t at, std::size_t bytes) { file.drop(mark_bytes + at, bytes); };
    documents_[0].train_bytes = by_characters ? cut_by_characters(text, release) : cut_by_bytes(text);
    return;
  }
  std::size_t all = 0, before = 0;
  for (const Document& d : documents_) all += d.file.bytes;
  const std::size_t cut = nine_tenths(all);
  for (Document& d : documents_) {
    const std::size_t begin = before, end = before += d.file.bytes;
    if (end <= cut || begin >= cut) {
      d.train_bytes = end <= cut ? d.file.bytes : 0;
      continue;
    }
    // The document that the cut falls into: whole to the side that is nearer, unless that is too far off.
    const std::size_t far = all / 20, to_begin = cut - begin, to_end = end - cut;
    if (std::min(to_begin, to_end) > far)
      d.train_bytes = border_before(opened(d.file).text().substr(d.file.mark_bytes), to_begin);
    else
      d.train_bytes = to_end < to_begin ? d.file.bytes : 0;
  }
}

std::size_t Documents::text_bytes() const {
  std::size_t sum = 0;
  for (const Document& d : documents_)
    sum += d.file.bytes + (documents_.size() > 1 && opened(d.file).text().back() != '\n' ? 1 : 0);
  return sum;
}

void Documents::read(const std::function<void(std::string_view)>& visit) const {
  for (const Document& d : documents_) {
    char last = '\n';
    read_through(d, [&](auto piece, std::size_t) {
      last = piece.back();
      visit(piece);
    });
    if (documents_.size() > 1 && last != '\n') visit("\n");
  }
}

std::string Documents::text() const {
  std::string all;
  all.reserve(text_bytes());
  read([&](std::string_view piece) { all += piece; });
  return all;
}

Tokenizer Documents::character_tokenizer() const {
  CharacterSet characters;
  for (const Document& d : documents_)
    read_through(d, [&](auto piece, std::size_t at) { characters.add(piece, d.file.path, at); });
  if (documents_.size() > 1) characters.add("\n", "", 0);  // what ends each
  return characters.tokenizer();
}

std::int64_t Documents::train_bytes() const {
  std::size_t sum = 0;
  for (const Document& d : documents_) sum += d.train_bytes;
  return static_cast<std::int64_t>(sum);
}

std::int64_t Documents::held_out_bytes() const {
  std::size_t sum = 0;
  for (const Document& d : documents_) sum += d.file.bytes - d.train_bytes;
  return static_cast<std::int64_t>(sum);
}

std::size_t Documents::encode(const Tokenizer& tokenizer, bool held_out, const IdSink& sink) const {
  const std::vector<std::int32_t> end = document_end(tokenizer);
  const bool by_newline = !tokenizer.end_of_text();
  std::size_t most = 0;
  for (const Document& d : documents_) {
    const std::size_t first = held_out ? d.train_bytes : 0;
    const std::size_t end_of_part = held_out ? d.file.bytes : d.train_bytes;
    if (first == end_of_part) continue;
    const MappedFile file = opened(d.file);
    const std::size_t at = d.file.mark_bytes + first;
    const std::string_view part = file.text().substr(at, end_of_part - first);
    most = std::max(most, encode_stream(tokenizer, part, d.file.path, at, [&](auto ids) {
                      sink(ids);
                      file.drop(0, file.size());  // the text passes through once
                    }));
    const bool ends = end_of_part == d.file.bytes && !(by_newline && part.back() == '\n');
    if (documents_.size() > 1 && ends && !end.empty()) sink(end);
  }
  return most;
}

std::string read_texts(const std::string& path, std::vector<std::string>* notes) {
  const Documents documents(path);
  documents.require_text();
  if (notes) notes->insert(notes->end(), documents.notes().begin(), documents.notes().end());
  return documents.text();
}

namespace {

BpeReport learn_bpe(const Documents& documents, const BpeOptions& options, std::size_t bytes) {
  BpeTrainer trainer(options);
  std::size_t left = bytes;
  documents.read([&](std::string_view piece) {
    piece = piece.substr(0, left);
    trainer.add(piece);
    left -= piece.size();
  });
  Tokenizer tokenizer = trainer.finish();
  return {std::move(tokenizer), static_cast<std::int64_t>(bytes), trainer.tokens(), documents.notes()};
}

}  // namespace

BpeReport train_bpe(const std::string& path, const BpeOptions& options, bool all) {
  const Documents documents(path);
  documents.require_text();
  const std::size_t bytes = documents.text_bytes();
  BpeReport report = learn_bpe(documents, options, all ? bytes : bytes / 10 * 9);
  give_back_freed_memory();
  return report;
}

Tokenizer character_tokenizer(const std::string& path) { return Documents(path).character_tokenizer(); }

}  // namespace hone
