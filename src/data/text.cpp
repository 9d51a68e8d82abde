#include "hone/text.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/random.hpp"
#include "data/documents.hpp"
#include "data/shards.hpp"
#include "data/tokens.hpp"
#include "data/windows.hpp"
#include "machine/memory.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {
namespace {

constexpr std::int32_t ignored = -100;

Tokenizer named_tokenizer(const std::string& name, const Documents& documents) {
  if (name == "byte" || name.empty()) return make_byte_tokenizer();
  if (name == "char") return documents.character_tokenizer();
  return Tokenizer::open(name);
}

[[noreturn]] void refuse_short(const std::string& where, std::int64_t tokens, std::int64_t seq) {
  throw Error(ErrorKind::input,
              {.what = "too short for a window of " + std::to_string(seq) + " tokens and the next one",
               .where = where,
               .expected = std::to_string(seq + 1) + " tokens or more",
               .found = std::to_string(tokens),
               .hint = "take a shorter sequence or a longer text"});
}

// Rows [first, first + count) of so many, of seq tokens each.
void require_part(std::int64_t first, std::int64_t count, std::int64_t rows, std::int64_t seq,
                  const std::string& where) {
  if (seq > 0 && first >= 0 && count >= 0 && first <= rows && count <= rows - first) return;
  throw Error(ErrorKind::usage,
              {.what = "no such windows of the text",
               .where = where,
               .expected = "windows 0 to " + std::to_string(rows) + " of at least one token",
               .found = std::to_string(count) + " from " + std::to_string(first) + " on, of " +
                        std::to_string(seq) + " tokens"});
}

}  // namespace

Samples BatchView::samples() const { return Samples(batch).set("tokens", ids).set("labels", labels); }

std::int64_t BatchView::tokens() const {
  return static_cast<std::int64_t>(labels.size()) - std::count(labels.begin(), labels.end(), ignored);
}

BatchView BatchView::rows(std::int64_t first, std::int64_t count) const {
  const auto from = static_cast<std::size_t>(first * seq), size = static_cast<std::size_t>(count * seq);
  return {count, seq, ids.subspan(from, size), labels.subspan(from, size)};
}

struct Text::Impl {
  std::string path;
  Tokenizer tokenizer;
  std::uint64_t key;  // of the stream of window starts
  Tokens train, held_out;
  std::int64_t train_bytes = 0, held_out_bytes = 0;
  std::vector<std::string> notes{};
  std::size_t reading_bytes = 0;  // at most, beside what is held
  ShardSummary shards{};          // where it is shards: window, digest
  std::int64_t shard_bytes = 0;   // that reading them holds

  static std::shared_ptr<const Impl> of_documents(const std::string& path, const Documents& documents,
                                                  Tokenizer tokenizer, std::uint64_t seed);
  static std::shared_ptr<const Impl> of_memory(std::string_view text, Tokenizer tokenizer,
                                               std::uint64_t seed);
  static std::shared_ptr<const Impl> of_shards(const std::string& path, std::uint64_t seed);

  // Notes what reading a part took, and what was freed goes: the C library would keep up to 64 MiB of it.
  void read_with(std::size_t bytes) {
    reading_bytes = std::max(reading_bytes, bytes);
    give_back_freed_memory();
  }
  // Tokens [first, first + count) of the training part followed by the held-out part.
  void read(std::int64_t first, std::int64_t count, std::int32_t* out) const;
  // One row of ids and labels from seq + 1 tokens; of padding, 0 and a label that counts for nothing.
  void row(std::int64_t first, std::int64_t seq, std::vector<std::int32_t>& window, Batch& out) const;
  std::int64_t windows_of(const Tokens& tokens, std::int64_t seq) const;  // side by side
  std::int64_t step_of(std::int64_t seq) const {
    return shards.window > 0 ? seq + 1 : seq;
  }  // to the next one
  void require_window(std::int64_t seq) const;
  Batch windows(std::int64_t first_token, std::int64_t tokens, std::int64_t first, std::int64_t count,
                std::int64_t seq, const char* part) const;
};

void Text::Impl::read(std::int64_t first, std::int64_t count, std::int32_t* out) const {
  const std::int64_t before = std::clamp<std::int64_t>(train.size() - first, 0, count);
  if (before > 0) train.read(first, before, out);
  if (before < count) held_out.read(first + before - train.size(), count - before, out + before);
}

void Text::Impl::row(std::int64_t first, std::int64_t seq, std::vector<std::int32_t>& window,
                     Batch& out) const {
  window.resize(static_cast<std::size_t>(seq + 1));
  read(first, seq + 1, window.data());
  out.ids.insert(out.ids.end(), window.begin(), window.end() - 1);
  out.labels.insert(out.labels.end(), window.begin() + 1, window.end());
  if (shards.window == 0) return;
  const auto padding = static_cast<std::int32_t>(padding_of(tokenizer.vocab_size()));
  std::replace(out.ids.end() - seq, out.ids.end(), padding, 0);
  std::replace(out.labels.end() - seq, out.labels.end(), padding, ignored);
}

void Text::Impl::require_window(std::int64_t seq) const {
  if (shards.window != 0 && seq != shards.window)
    throw Error(ErrorKind::input,
                {.what = "documents of these shards were cut into windows of another length",
                 .where = path,
                 .expected = "seq " + std::to_string(shards.window),
                 .found = "seq " + std::to_string(seq),
                 .hint = "take that length, or cut the documents anew: hone data build"});
}

std::int64_t Text::Impl::windows_of(const Tokens& tokens, std::int64_t seq) const {
  require_part(0, 0, 0, seq, path);
  require_window(seq);
  if (shards.window > 0) return tokens.size() / (seq + 1);
  return std::max<std::int64_t>(tokens.size() - 1, 0) / seq;
}

std::shared_ptr<const Text::Impl> Text::Impl::of_documents(const std::string& path,
                                                           const Documents& documents, Tokenizer tokenizer,
                                                           std::uint64_t seed) {
  const int width = token_bytes_for(tokenizer.vocab_size());
  auto impl = std::make_shared<Impl>(
      Impl{path, std::move(tokenizer), stream_key("data", seed), Tokens(width), Tokens(width)});
  impl->read_with(documents.encode(impl->tokenizer, {.ids = [&](auto ids) { impl->train.append(ids); }},
                                   {.ids = [&](auto ids) { impl->held_out.append(ids); }}));
  impl->train_bytes = documents.train_bytes();
  impl->held_out_bytes = documents.held_out_bytes();
  impl->notes = documents.notes();
  impl->notes.insert(impl->notes.end(), impl->tokenizer.notes().begin(), impl->tokenizer.notes().end());
  return impl;
}

std::shared_ptr<const Text::Impl> Text::Impl::of_memory(std::string_view text, Tokenizer tokenizer,
                                                        std::uint64_t seed) {
  text.remove_prefix(mark_bytes_of(text));
  const std::size_t cut = training_bytes(text, tokenizer.kind() != TokenizerKind::byte);
  const int width = token_bytes_for(tokenizer.vocab_size());
  auto impl = std::make_shared<Impl>(
      Impl{"the text", std::move(tokenizer), stream_key("data", seed), Tokens(width), Tokens(width)});
  const auto encode = [&](std::size_t first, std::size_t count, Tokens& to) {
    impl->read_with(encode_stream(impl->tokenizer, text.substr(first, count), impl->path, first,
                                  [&](auto ids) { to.append(ids); }));
  };
  encode(0, cut, impl->train);
  encode(cut, text.size() - cut, impl->held_out);
  impl->train_bytes = static_cast<std::int64_t>(cut);
  impl->held_out_bytes = static_cast<std::int64_t>(text.size() - cut);
  return impl;
}

std::shared_ptr<const Text::Impl> Text::Impl::of_shards(const std::string& path, std::uint64_t seed) {
  ShardFolder s = open_shards(path);
  const std::int64_t train_bytes = s.summary.train.text_bytes, held_out_bytes = s.summary.held_out.text_bytes;
  auto impl =
      std::make_shared<Impl>(Impl{path, std::move(s.tokenizer), stream_key("data", seed), std::move(s.train),
                                  std::move(s.held_out), train_bytes, held_out_bytes});
  impl->shards = std::move(s.summary);
  impl->shard_bytes = s.memory_bytes;
  return impl;
}

Text::Text(const std::string& path, const TextOptions& options) {
  if (is_shard_folder(path)) {
    impl_ = Impl::of_shards(path, options.seed);
    const auto named = [&] {
      return options.tokenizer == "byte" ? Tokenizer::bytes() : Tokenizer::open(options.tokenizer);
    };
    if (!options.tokenizer.empty() && (options.tokenizer == "char" || named().json() != tokenizer().json()))
      throw Error(ErrorKind::input, {.what = "these token shards were made with another tokenizer",
                                     .where = path,
                                     .hint = "leave the tokenizer out: the shards bring theirs"});
    return;
  }
  Documents documents(path);
  Tokenizer tokenizer = named_tokenizer(options.tokenizer, documents);
  if (options.tokenizer.empty() || tokenizer.kind() != TokenizerKind::byte) documents.require_text();
  documents.split(tokenizer.kind() != TokenizerKind::byte);
  impl_ = Impl::of_documents(path, documents, std::move(tokenizer), options.seed);
}

Text::Text(const std::string& path, Tokenizer tokenizer, std::uint64_t seed) {
  if (is_shard_folder(path)) {
    impl_ = Impl::of_shards(path, seed);
    if (tokenizer.json() != impl_->tokenizer.json())
      throw Error(ErrorKind::input,
                  {.what = "these token shards were made with another tokenizer", .where = path});
    return;
  }
  Documents documents(path);
  if (tokenizer.kind() != TokenizerKind::byte) documents.require_text();
  documents.split(tokenizer.kind() != TokenizerKind::byte);
  impl_ = Impl::of_documents(path, documents, std::move(tokenizer), seed);
}

Text Text::of(std::string_view text, Tokenizer tokenizer, std::uint64_t seed) {
  return Text(Impl::of_memory(text, std::move(tokenizer), seed));
}

const std::string& Text::path() const { return impl_->path; }
const Tokenizer& Text::tokenizer() const { return impl_->tokenizer; }
const std::vector<std::string>& Text::notes() const { return impl_->notes; }
std::int64_t Text::vocab_size() const { return impl_->tokenizer.vocab_size(); }
std::int64_t Text::window() const { return impl_->shards.window; }
std::int64_t Text::train_tokens() const {
  return window() > 0 ? impl_->shards.train.tokens : impl_->train.size();
}
std::int64_t Text::held_out_tokens() const {
  return window() > 0 ? impl_->shards.held_out.tokens : impl_->held_out.size();
}
std::int64_t Text::held_out_bytes() const { return impl_->held_out_bytes; }
std::int64_t Text::memory_bytes() const {
  return impl_->train.memory_bytes() + impl_->held_out.memory_bytes() + impl_->shard_bytes +
         vocabulary_bytes(vocab_size());
}
std::int64_t Text::reading_bytes() const { return static_cast<std::int64_t>(impl_->reading_bytes); }
std::int64_t Text::all_tokens() const { return train_tokens() + held_out_tokens(); }
std::int64_t Text::all_bytes() const { return impl_->train_bytes + impl_->held_out_bytes; }

std::string Text::digest() const {
  const std::string& kept = impl_->shards.digest;
  return kept.empty() ? digest_of(impl_->train, impl_->held_out, window()) : kept;
}

Batch Text::batch(std::int64_t n, std::int64_t batch, std::int64_t seq) const {
  return this->batch(n, batch, seq, 0, batch);
}

Batch Text::batch(std::int64_t n, std::int64_t batch, std::int64_t seq, std::int64_t first,
                  std::int64_t count) const {
  require_part(first, count, batch, seq, "Text::batch");
  require_part(n, 0, std::numeric_limits<std::int64_t>::max(), seq, "Text::batch");
  const std::int64_t windows = impl_->windows_of(impl_->train, seq);
  if (windows == 0) refuse_short(impl_->path + ", training part", train_tokens(), seq);
  Batch out{.batch = count, .seq = seq, .ids = {}, .labels = {}};
  out.ids.reserve(static_cast<std::size_t>(count * seq));
  out.labels.reserve(static_cast<std::size_t>(count * seq));
  std::vector<std::int32_t> row;
  for (std::int64_t i = first; i < first + count; ++i) {
    const std::int64_t sample = n * batch + i;
    const std::int64_t start = window() > 0 ? drawn_window(impl_->key, sample, windows) * (seq + 1)
                                            : window_start(impl_->key, sample, train_tokens(), seq);
    impl_->row(start, seq, row, out);
  }
  return out;
}

std::int64_t Text::held_out_windows(std::int64_t seq) const {
  return impl_->windows_of(impl_->held_out, seq);
}

std::int64_t Text::all_windows(std::int64_t seq) const {
  const std::int64_t apart = impl_->windows_of(impl_->train, seq) + held_out_windows(seq);
  return window() > 0 ? apart : std::max<std::int64_t>(all_tokens() - 1, 0) / seq;
}

// Windows [first, first + count) of `all` that stand behind first_token.
Batch Text::Impl::windows(std::int64_t first_token, std::int64_t all, std::int64_t first, std::int64_t count,
                          std::int64_t seq, const char* part) const {
  if (all == 0) refuse_short(path + part, train.size() + held_out.size() - first_token, seq);
  require_part(first, count, all, seq, path + part);
  Batch out{.batch = count, .seq = seq, .ids = {}, .labels = {}};
  std::vector<std::int32_t> window;
  for (std::int64_t w = first; w < first + count; ++w) row(first_token + w * step_of(seq), seq, window, out);
  return out;
}

Batch Text::held_out(std::int64_t first_window, std::int64_t count, std::int64_t seq) const {
  return impl_->windows(impl_->train.size(), held_out_windows(seq), first_window, count, seq,
                        ", held-out part");
}

Batch Text::all(std::int64_t first_window, std::int64_t count, std::int64_t seq) const {
  return impl_->windows(0, all_windows(seq), first_window, count, seq, "");
}

std::vector<std::int32_t> Text::ids(std::int64_t first, std::int64_t count) const {
  if (window() > 0)
    throw Error(ErrorKind::input, {.what = "documents of these shards were cut into windows: no running text",
                                   .where = impl_->path,
                                   .hint = "build them with --documents pack, or name the text itself"});
  require_part(first, count, all_tokens(), 1, impl_->path);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
  impl_->read(first, count, ids.data());
  return ids;
}

}  // namespace hone
