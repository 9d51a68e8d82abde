#include "data/documents.hpp"

#include "hone/text.hpp"

#include <algorithm>
#include <array>

#include "base/utf8.hpp"
#include "hone/error.hpp"

namespace hone {
namespace {

std::size_t cut_by_bytes(std::string_view text) {
  std::size_t cut = text.size() / 10 * 9 + text.size() % 10 * 9 / 10;
  while (cut > 0 && cut < text.size() && continues_character(text[cut])) --cut;
  return cut;
}

std::size_t characters_in(std::string_view text) {
  const auto begins = [](char c) { return !continues_character(c); };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins));
}

// Counts by pieces, each released when it was read; the second pass skips the whole pieces before the cut.
template <class Release>
std::size_t cut_by_characters(std::string_view text, const Release& release) {
  constexpr std::size_t piece_bytes = 8 << 20;
  std::vector<std::size_t> pieces;
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size(); at += piece_bytes) {
    pieces.push_back(characters_in(text.substr(at, piece_bytes)));
    characters += pieces.back();
    release(at, piece_bytes);
  }
  std::size_t left = characters / 10 * 9 + characters % 10 * 9 / 10, cut = 0;
  for (std::size_t piece = 0; piece < pieces.size() && left >= pieces[piece]; ++piece) {
    left -= pieces[piece];
    cut += piece_bytes;
  }
  for (cut = std::min(cut, text.size()); cut < text.size(); ++cut)
    if (!continues_character(text[cut]) && left-- == 0) break;
  return cut;
}

}  // namespace

std::size_t training_bytes(std::string_view text, bool by_characters) {
  return by_characters ? cut_by_characters(text, [](std::size_t, std::size_t) {}) : cut_by_bytes(text);
}

Documents::Documents(const std::string& path) {
  if (is_folder(path)) {
    for (const std::string& name : files_in(path)) {
      MappedFile file(std::string(path).append("/").append(name));
      if (file.size() > 0) documents_.push_back({std::move(file), 0});
    }
    if (documents_.empty())
      throw Error(ErrorKind::input,
                  {.what = "the folder has no text: no file in it, or only empty ones", .where = path});
  } else {
    documents_.push_back({MappedFile(path), 0});
    if (documents_[0].file.size() == 0)
      throw Error(ErrorKind::input, {.what = "the text is empty", .where = path});
  }
}

void Documents::split(bool by_characters) {
  if (documents_.size() == 1) {
    const MappedFile& file = documents_[0].file;
    const auto release = [&](std::size_t at, std::size_t bytes) { file.drop(at, bytes); };
    documents_[0].train_bytes =
        by_characters ? cut_by_characters(file.text(), release) : cut_by_bytes(file.text());
    return;
  }
  const std::size_t training = documents_.size() * 9 / 10;
  for (std::size_t i = 0; i < documents_.size(); ++i)
    documents_[i].train_bytes = i < training ? documents_[i].file.size() : 0;
}

std::vector<std::string_view> Documents::texts() const {
  std::vector<std::string_view> texts;
  for (const Document& d : documents_) texts.push_back(d.file.text());
  return texts;
}

std::vector<std::string> Documents::names() const {
  std::vector<std::string> names;
  for (const Document& d : documents_) names.push_back(d.file.path());
  return names;
}

std::int64_t Documents::train_bytes() const {
  std::size_t sum = 0;
  for (const Document& d : documents_) sum += d.train_bytes;
  return static_cast<std::int64_t>(sum);
}

std::int64_t Documents::held_out_bytes() const {
  std::size_t sum = 0;
  for (const Document& d : documents_) sum += d.file.size() - d.train_bytes;
  return static_cast<std::int64_t>(sum);
}

void Documents::encode(const Tokenizer& tokenizer, bool held_out, const IdSink& sink) const {
  const auto end = tokenizer.end_of_text();
  for (const Document& d : documents_) {
    const std::size_t first = held_out ? d.train_bytes : 0;
    const std::size_t count = held_out ? d.file.size() - d.train_bytes : d.train_bytes;
    if (count == 0) continue;
    encode_stream(tokenizer, d.file.text().substr(first, count), d.file.path(), first, [&](auto ids) {
      sink(ids);
      d.file.drop(0, d.file.size());  // the text passes through once
    });
    if (documents_.size() > 1 && end) sink(std::array{*end});
  }
}

std::string read_texts(const std::string& path) {
  const Documents documents(path);
  std::string all;
  for (const std::string_view text : documents.texts()) all += text;
  return all;
}

}  // namespace hone
