#include "data/documents.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "base/utf8.hpp"
#include "data/document_reader.hpp"
#include "data/shards.hpp"
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

std::size_t characters_in(std::string_view text) {
  const auto begins = [](char c) { return !continues_character(c); };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins));
}

// Where nine tenths of the characters end, of a text that each_piece(visit) hands on piece by piece.
template <class EachPiece>
std::size_t cut_by_characters(const EachPiece& each_piece) {
  std::size_t characters = 0, cut = 0;
  each_piece([&](std::string_view piece) { characters += characters_in(piece); });
  std::size_t left = nine_tenths(characters);
  bool found = false;
  each_piece([&](std::string_view piece) {
    if (found) return;
    const std::size_t here = characters_in(piece);
    std::size_t at = piece.size();
    if (left < here) {
      for (at = 0; continues_character(piece[at]) || left-- > 0;) ++at;
      found = true;
    } else {
      left -= here;
    }
    cut += at;
  });
  return cut;
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
  if (!by_characters) return border_before(text, nine_tenths(text.size()));
  return cut_by_characters([&](const auto& visit) { visit(text); });
}

Documents::Documents(const TextSource& source) : field_(source.field) {
  if (source.paths.empty()) throw Error(ErrorKind::usage, {.what = "no text is named", .where = "data"});
  for (const std::string& path : source.paths)
    is_folder(path) ? add_folder(path, source.format) : add_file(path, source.format);
  for (Source& s : sources_) {
    measure(s);
    if (s.empty > 0)
      notes_.push_back(s.file.path + ": left out are " + std::to_string(s.empty) + " of " +
                       std::to_string(s.empty + s.documents) + " lines, whose \"" + field_ + "\" is empty");
  }
  std::erase_if(sources_, [](const Source& s) { return s.bytes == 0; });
  for (const Source& s : sources_) {
    bytes_ += s.bytes;
    count_ += s.documents;
  }
  if (!sources_.empty()) return;
  const bool folder = is_folder(source.paths[0]);
  throw Error(ErrorKind::input,
              {.what = folder ? "the folder has no text: no file in it, or only such as are "
                                "empty or no text"
                              : "the text is empty",
               .where = source.paths[0],
               .hint = notes_.empty() ? "" : notes_[0]});
}

void Documents::add_folder(const std::string& path, TextFormat format) {
  if (is_shard_folder(path))
    throw Error(ErrorKind::input,
                {.what = "token shards, not texts", .where = path, .hint = "name the texts they are of"});
  TextFiles found = text_files_in(path, format);
  for (auto& file : found.files) sources_.push_back({.file = std::move(file)});
  if (!found.skipped.empty()) notes_.push_back(note_of(path, found.skipped));
}

void Documents::add_file(const std::string& path, TextFormat format) {
  ByteStream stream(path);
  const std::string_view head = stream.next();
  if (const std::string_view known = packed_format(head); !known.empty())
    refuse_no_text(path, known, "unpack or convert it to plain UTF-8 first");
  sources_.push_back(
      {.file = {path, is_json_lines(path, format), stream.packing()}, .no_text = why_no_text(head, true)});
}

void Documents::measure(Source& source) const {
  if (!source.file.json_lines && source.file.packing == Packing::none) {
    const OffsetFile file(source.file.path);
    std::array<std::byte, 4> ends{};
    const auto head = std::span(ends).first(std::min<std::size_t>(3, file.size()));
    file.read(0, head);
    source.bytes = file.size() - mark_bytes_of({reinterpret_cast<const char*>(head.data()), head.size()});
    if (source.bytes == 0) return;
    file.read(file.size() - 1, std::span(ends).last(1));
    source.documents = 1;
    source.without_newline = ends[3] == std::byte{'\n'} ? 0 : 1;
    return;
  }
  char last = '\n';
  read_documents(
      source.file, field_, [](auto&&...) {},
      [&](std::string_view piece) {
        source.bytes += piece.size();
        last = piece.back();
      },
      [&] {
        ++source.documents;
        source.without_newline += last == '\n' ? 0 : 1;
      },
      [&] { ++source.empty; });
}

void Documents::require_text() const {
  for (const Source& s : sources_)
    if (!s.no_text.empty())
      refuse_no_text(s.file.path, s.no_text,
                     "convert it to UTF-8, or name the byte tokenizer: it takes any bytes");
}

void Documents::split(bool by_characters) {
  train_bytes_ = count_ == 1 ? cut_of_one(by_characters) : cut_of_several();
}

// As training_bytes() of the whole would have it.
std::size_t Documents::cut_of_one(bool by_characters) const {
  const auto each_piece = [&](const auto& visit) {
    read_documents(
        sources_[0].file, field_, [](auto&&...) {}, visit, [] {});
  };
  if (by_characters) return cut_by_characters(each_piece);
  const std::size_t wanted = nine_tenths(bytes_);
  std::size_t before = 0, cut = wanted;
  each_piece([&](std::string_view piece) {
    if (before <= wanted && wanted < before + piece.size())
      cut = before + border_before(piece, wanted - before);
    before += piece.size();
  });
  return cut;
}

std::size_t Documents::cut_of_several() const {
  const std::size_t wanted = nine_tenths(bytes_), far = bytes_ / 20;
  std::size_t at = 0, cut = wanted;
  for (const Source& source : sources_) {
    if (wanted >= at + source.bytes) {
      at += source.bytes;
      continue;
    }
    std::size_t begin = at, border = wanted;
    read_documents(
        source.file, field_, [&](auto&&...) { begin = at; },
        [&](std::string_view piece) {
          if (at <= wanted && wanted < at + piece.size()) border = at + border_before(piece, wanted - at);
          at += piece.size();
        },
        [&] {
          if (wanted <= begin || wanted >= at) return;
          // The document that the cut falls into: whole to the side that is nearer, unless that is too far
          // off.
          const std::size_t to_begin = wanted - begin, to_end = at - wanted;
          cut = std::min(to_begin, to_end) > far ? border : to_end < to_begin ? at : begin;
        });
    break;
  }
  return cut;
}

std::size_t Documents::text_bytes() const {
  std::size_t sum = bytes_;
  for (const Source& s : sources_) sum += count_ > 1 ? s.without_newline : 0;
  return sum;
}

void Documents::read(const std::function<void(std::string_view)>& visit) const {
  char last = '\n';
  for (const Source& s : sources_)
    read_documents(
        s.file, field_, [](auto&&...) {},
        [&](std::string_view piece) {
          last = piece.back();
          visit(piece);
        },
        [&] {
          if (count_ > 1 && last != '\n') visit("\n");
        });
}

std::string Documents::text() const {
  std::string all;
  all.reserve(text_bytes());
  read([&](std::string_view piece) { all += piece; });
  return all;
}

Tokenizer Documents::character_tokenizer() const {
  CharacterSet characters;
  std::string where;
  std::size_t at = 0;
  for (const Source& s : sources_)
    read_documents(
        s.file, field_,
        [&](std::string place, std::size_t offset) {
          where = std::move(place);
          at = offset;
        },
        [&](std::string_view piece) {
          characters.add(piece, where, at);
          at += piece.size();
        },
        [] {});
  if (count_ > 1) characters.add("\n", "", 0);  // what ends each
  return characters.tokenizer();
}

namespace {

// Hands documents to an encoder, and from where the held-out part begins its ids to that.
class PartEncoder {
 public:
  PartEncoder(const Tokenizer& tokenizer, const Documents::Part& train, const Documents::Part& held_out,
              std::size_t train_bytes, bool several)
      : train_(train),
        held_out_(held_out),
        train_bytes_(train_bytes),
        end_(several ? document_end(tokenizer) : std::vector<std::int32_t>{}),
        by_newline_(!tokenizer.end_of_text()),
        encoder_(tokenizer, [this](auto ids) { part_->ids(ids); }) {}

  void begin(std::string where, std::size_t offset) {
    if (at_ >= train_bytes_) part_ = &held_out_;
    where_ = std::move(where);
    offset_ = offset;
    encoder_.begin(where_, offset_);
  }

  void add(std::string_view piece) {
    if (part_ == &train_ && at_ + piece.size() > train_bytes_) {
      const std::string_view head = piece.substr(0, train_bytes_ - at_);
      take(head);
      encoder_.end();
      part_->ended();
      part_ = &held_out_;
      encoder_.begin(where_, offset_);
      piece.remove_prefix(head.size());
    }
    take(piece);
  }

  void end() {
    encoder_.end();
    if (!end_.empty() && !(by_newline_ && last_ == '\n')) part_->ids(end_);
    part_->ended();
  }

  std::size_t bytes() const { return at_; }  // that were added
  std::size_t most_word_bytes() const { return encoder_.most_word_bytes(); }

 private:
  void take(std::string_view piece) {
    if (piece.empty()) return;
    encoder_.add(piece);
    last_ = piece.back();
    at_ += piece.size();
    offset_ += piece.size();
  }

  const Documents::Part &train_, &held_out_;
  const Documents::Part* part_ = &train_;
  std::size_t train_bytes_, at_ = 0, offset_ = 0;
  std::string where_;
  char last_ = '\n';
  std::vector<std::int32_t> end_;
  bool by_newline_;
  TextEncoder encoder_;
};

}  // namespace

std::size_t Documents::encode(const Tokenizer& tokenizer, const Part& train, const Part& held_out) const {
  PartEncoder parts(tokenizer, train, held_out, train_bytes_, count_ > 1);
  std::size_t reading = 0;
  for (const Source& s : sources_) {
    const std::size_t before = parts.bytes();
    const std::size_t taken = read_documents(
        s.file, field_, [&](std::string where, std::size_t offset) { parts.begin(std::move(where), offset); },
        [&](std::string_view piece) { parts.add(piece); }, [&] { parts.end(); });
    reading = std::max(reading, taken);
    if (parts.bytes() - before != s.bytes)
      throw Error(ErrorKind::input, {.what = "the file was changed while it was read",
                                     .where = s.file.path,
                                     .expected = std::to_string(s.bytes) + " bytes of text",
                                     .found = std::to_string(parts.bytes() - before)});
  }
  return reading + parts.most_word_bytes();
}

std::string read_texts(const TextSource& source, std::vector<std::string>* notes) {
  const Documents documents(source);
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

BpeReport train_bpe(const TextSource& source, const BpeOptions& options, bool all) {
  const Documents documents(source);
  documents.require_text();
  const std::size_t bytes = documents.text_bytes();
  BpeReport report = learn_bpe(documents, options, all ? bytes : bytes / 10 * 9);
  give_back_freed_memory();
  return report;
}

Tokenizer character_tokenizer(const TextSource& source) { return Documents(source).character_tokenizer(); }

}  // namespace hone
