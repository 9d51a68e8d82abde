#include "hone/pairs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/random.hpp"
#include "data/held_pairs.hpp"
#include "data/length_buckets.hpp"
#include "data/pair_file.hpp"
#include "data/pair_tasks.hpp"
#include "data/tokens.hpp"
#include "data/windows.hpp"
#include "hone/nearest.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {
namespace {

constexpr std::int32_t ignored = -100;
constexpr std::int64_t held_out_of_a_task = 2048;
constexpr std::array too_long_names{"error", "drop", "cut"};

const PairTask* task_of(const std::string& what) {
  if (!what.starts_with(task_prefix)) return nullptr;
  const std::string name = what.substr(task_prefix.size());
  for (const PairTask& task : pair_tasks())
    if (name == task.name) return &task;
  throw Error(ErrorKind::usage, {.what = "no such task: '" + name + "'",
                                 .where = what,
                                 .hint = "the nearest is " + nearest(what, pair_task_names())});
}

Tokenizer characters_of(const std::string& what, const PairFields& fields) {
  if (const PairTask* task = task_of(what)) return Tokenizer::chars(task->characters);
  CharacterSet characters;
  read_pairs(what, fields, [&](const PairText& pair) {
    characters.add(pair.source, line_of(what, pair.line), 0);
    characters.add(pair.target, line_of(what, pair.line), 0);
  });
  return characters.tokenizer();
}

Tokenizer named_tokenizer(const std::string& what, const PairOptions& o) {
  if (o.tokenizer.empty() || o.tokenizer == "byte") return Tokenizer::bytes();
  if (o.tokenizer == "char") return characters_of(what, {o.source_field, o.target_field});
  return Tokenizer::open(o.tokenizer);
}

void require(bool good, const char* where, const char* what, std::string expected, std::string found) {
  if (!good)
    throw Error(ErrorKind::usage,
                {.what = what, .where = where, .expected = std::move(expected), .found = std::move(found)});
}

}  // namespace

bool may_be_json_pairs(const std::string& what) {
  return !what.starts_with(task_prefix) && what.find(".tsv") == std::string::npos;
}

std::vector<std::string> pair_task_names() {
  std::vector<std::string> names;
  for (const PairTask& task : pair_tasks()) names.push_back(std::string(task_prefix) + task.name);
  return names;
}

const char* name(TooLong t) { return too_long_names[static_cast<std::size_t>(t)]; }

TooLong too_long_from_name(const std::string& name) {
  for (std::size_t i = 0; i < too_long_names.size(); ++i)
    if (name == too_long_names[i]) return static_cast<TooLong>(i);
  throw Error(ErrorKind::usage, {.what = "impossible value",
                                 .where = "too_long",
                                 .expected = "error, drop or cut",
                                 .found = "'" + name + "'"});
}

Samples PairBatch::samples() const {
  return Samples(pairs)
      .set("source", source)
      .set("source_lengths", source_lengths)
      .set("target", target)
      .set("labels", labels);
}

std::int64_t PairBatch::tokens() const {
  return static_cast<std::int64_t>(labels.size()) - std::count(labels.begin(), labels.end(), ignored);
}

struct Pairs::Impl {
  std::string path;
  Tokenizer tokenizer;
  PairOptions options;  // lengths decided
  std::uint64_t key;    // of the order of a file's pairs
  const PairTask* task = nullptr;
  std::shared_ptr<const HeldPairs> held{};  // of a file, in its order; the first nine tenths train
  std::vector<std::int64_t> taken{};        // numbers of those that are not dropped; the first `train` train
  std::int64_t train = 0;
  std::vector<std::string> notes{};

  static std::shared_ptr<const Impl> make(const std::string& what, const Tokenizer& tokenizer,
                                          const PairOptions& options);
  void read_file();
  void decide_lengths(const PairOptions& asked);
  void decide_lengths_of_task();
  void choose();
  bool fits(std::int64_t i) const;
  [[noreturn]] void refuse_too_long(std::int64_t i) const;
  void require_some(bool there, const char* what_for) const;  // Error(input) where there are none

  std::vector<SampleLength> some_lengths() const;
  PairIds training(std::int64_t sample) const;
  PairIds held_out(std::int64_t i) const;
  PairIds made(std::int64_t i, bool held_out) const;
  void append(const PairIds& pair, PairBatch& batch) const;
  template <class Read>
  PairBatch gathered(std::int64_t first, std::int64_t count, const Read& read) const;
};

// --- how long, and which -----------------------------------------------------------------------------------

void Pairs::Impl::read_file() {
  auto pairs = std::make_shared<HeldPairs>(tokenizer.vocab_size());
  read_pairs(path, {options.source_field, options.target_field}, [&](const PairText& pair) {
    const auto ids = [&](std::string_view text) {
      std::vector<std::int32_t> all;
      encode_stream(tokenizer, text, line_of(path, pair.line), 0,
                    [&](auto part) { all.insert(all.end(), part.begin(), part.end()); });
      return all;
    };
    pairs->append({ids(pair.source), ids(pair.target)}, pair.line);
  });
  if (pairs->size() == 0)
    throw Error(ErrorKind::input,
                {.what = "the file has no pair", .where = path, .expected = "a pair a line"});
  held = std::move(pairs);
}

void Pairs::Impl::decide_lengths(const PairOptions& asked) {
  require(asked.source_seq >= 0, "source_seq", "the length is out of range", "0 (the longest) or more",
          std::to_string(asked.source_seq));
  require(asked.seq >= 0, "seq", "the length is out of range", "0 (the longest) or more",
          std::to_string(asked.seq));
  options.source_seq = asked.source_seq, options.seq = asked.seq;
  if (task) return decide_lengths_of_task();
  std::int64_t source = 1, target = 1;
  for (std::int64_t i = 0; i < held->size(); ++i) {
    source = std::max(source, held->source_tokens(i));
    target = std::max(target, held->target_tokens(i));
  }
  if (options.source_seq == 0) options.source_seq = source;
  if (options.seq == 0) options.seq = target + 1;
  choose();
}

void Pairs::Impl::decide_lengths_of_task() {
  if (options.source_seq == 0) options.source_seq = task->longest_source;
  if (options.seq == 0) options.seq = task->longest_target + 1;
  const auto room = [&](const char* what, std::int64_t given, std::int64_t needed) {
    if (given >= needed || options.too_long == TooLong::cut) return;
    throw Error(ErrorKind::usage, {.what = "the task's pairs are longer",
                                   .where = what,
                                   .expected = std::to_string(needed) + " positions or more",
                                   .found = std::to_string(given),
                                   .hint = "--too-long cut shortens them"});
  };
  room("source_seq", options.source_seq, task->longest_source);
  room("seq", options.seq, task->longest_target + 1);
}

bool Pairs::Impl::fits(std::int64_t i) const {
  return held->source_tokens(i) <= options.source_seq && held->target_tokens(i) < options.seq;
}

void Pairs::Impl::refuse_too_long(std::int64_t i) const {
  const bool source = held->source_tokens(i) > options.source_seq;
  throw Error(ErrorKind::input,
              {.what = source ? "the source is too long" : "the target is too long",
               .where = line_of(path, held->line(i)),
               .expected = source ? fmt::format("at most {} tokens", options.source_seq)
                                  : fmt::format("at most {} tokens and the end", options.seq - 1),
               .found = std::to_string(source ? held->source_tokens(i) : held->target_tokens(i)),
               .hint = "--too-long drop leaves such pairs out, cut shortens them"});
}

void Pairs::Impl::choose() {
  const std::int64_t all = held->size(), cut = all / 10 * 9 + all % 10 * 9 / 10;
  std::int64_t longer = 0;
  taken.clear();
  train = 0;
  for (std::int64_t i = 0; i < all; ++i) {
    const bool fit = fits(i);
    if (!fit && options.too_long == TooLong::error) refuse_too_long(i);
    longer += fit ? 0 : 1;
    if (!fit && options.too_long == TooLong::drop) continue;
    taken.push_back(i);
    train += i < cut ? 1 : 0;
  }
  const std::string lengths =
      fmt::format("{} tokens of source or {} of target", options.source_seq, options.seq - 1);
  if (longer > 0)
    notes.push_back(fmt::format("{}: {} of {} pairs have more than {}: {}", path, longer, all, lengths,
                                options.too_long == TooLong::drop ? "left out" : "cut"));
}

void Pairs::Impl::require_some(bool there, const char* what_for) const {
  if (there) return;
  const bool dropped = std::ssize(taken) < held->size();
  throw Error(ErrorKind::input,
              {.what = std::string("no pair is left to ") + what_for,
               .where = path,
               .expected = dropped ? fmt::format("pairs of at most {} tokens of source and {} of target",
                                                 options.source_seq, options.seq - 1)
                                   : "2 pairs or more: the last tenth is held out",
               .found = dropped ? "longer ones" : std::to_string(held->size()),
               .hint = dropped ? "raise --source-seq and --seq" : ""});
}

std::shared_ptr<const Pairs::Impl> Pairs::Impl::make(const std::string& what, const Tokenizer& tokenizer,
                                                     const PairOptions& options) {
  auto impl = std::make_shared<Impl>(Impl{.path = what,
                                          .tokenizer = tokenizer.with_sequence_tokens(),
                                          .options = options,
                                          .key = stream_key("pairs", options.seed),
                                          .task = task_of(what)});
  impl->notes = impl->tokenizer.notes();
  if (!impl->task) impl->read_file();
  impl->decide_lengths(options);
  return impl;
}

// Of enough pairs to know how they are spread; those that are cut are as long as what is left.
std::vector<SampleLength> Pairs::Impl::some_lengths() const {
  constexpr std::int64_t most = 4096, most_made = 512;
  const std::int64_t all = task ? most_made : std::ssize(taken), some = std::min(all, most);
  std::vector<SampleLength> lengths;
  for (std::int64_t i = 0; i < some; ++i) {
    std::int64_t source = 0, target = 0;
    if (task) {
      const PairIds pair = made(i, true);
      source = std::ssize(pair.source), target = std::ssize(pair.target);
    } else {
      const std::int64_t pair = taken[static_cast<std::size_t>(i * all / some)];
      source = held->source_tokens(pair), target = held->target_tokens(pair);
    }
    lengths.push_back({std::min(source, options.source_seq), std::min(target + 1, options.seq)});
  }
  return lengths;
}

// --- samples -----------------------------------------------------------------------------------------------

PairIds Pairs::Impl::made(std::int64_t i, bool is_held_out) const {
  // What is held out is the same for every seed, so that a saved model is asked the same anywhere.
  const MadePair pair = made_pair(*task, is_held_out ? 0 : options.seed, i, is_held_out);
  return {tokenizer.encode(pair.source), tokenizer.encode(pair.target)};
}

PairIds Pairs::Impl::training(std::int64_t sample) const {
  if (task) return made(sample, false);
  const auto pass = static_cast<std::uint64_t>(sample / train);
  return held->read(
      taken[static_cast<std::size_t>(permuted(key ^ (pass * 0x9E3779B97F4A7C15ull), sample % train, train))]);
}

PairIds Pairs::Impl::held_out(std::int64_t i) const {
  return task ? made(i, true) : held->read(taken[static_cast<std::size_t>(train + i)]);
}

void Pairs::Impl::append(const PairIds& pair, PairBatch& batch) const {
  using Ids = std::span<const std::int32_t>;
  const SequenceTokens frame = tokenizer.sequence_tokens();
  const auto head = [](Ids ids, std::int64_t most) {
    return ids.first(std::min(ids.size(), static_cast<std::size_t>(most)));
  };
  const auto put = [](std::vector<std::int32_t>& to, Ids ids, std::int64_t length, std::int32_t padding) {
    to.insert(to.end(), ids.begin(), ids.end());
    to.insert(to.end(), static_cast<std::size_t>(length) - ids.size(), padding);
  };
  const Ids source = head(pair.source, options.source_seq);
  put(batch.source, source, options.source_seq, *frame.padding);
  batch.source_lengths.push_back(static_cast<std::int32_t>(source.size()));
  std::vector<std::int32_t> framed{*frame.begin};
  framed.insert(framed.end(), pair.target.begin(), pair.target.end());
  framed.push_back(*frame.end);
  put(batch.target, head(Ids(framed).first(framed.size() - 1), options.seq), options.seq, *frame.padding);
  put(batch.labels, head(Ids(framed).subspan(1), options.seq), options.seq, ignored);
  ++batch.pairs;
}

template <class Read>
PairBatch Pairs::Impl::gathered(std::int64_t first, std::int64_t count, const Read& read) const {
  PairBatch batch;
  for (std::int64_t i = first; i < first + count; ++i) append(read(i), batch);
  return batch;
}

// --- the face ----------------------------------------------------------------------------------------------

Pairs::Pairs(const std::string& what, const PairOptions& options)
    : impl_(Impl::make(what, named_tokenizer(what, options), options)) {}
Pairs::Pairs(const std::string& what, const Tokenizer& tokenizer, const PairOptions& options)
    : impl_(Impl::make(what, tokenizer, options)) {}

Pairs Pairs::with_lengths(std::int64_t source_seq, std::int64_t seq) const {
  auto impl = std::make_shared<Impl>(*impl_);
  impl->notes = impl->tokenizer.notes();
  PairOptions asked = impl->options;
  asked.source_seq = source_seq, asked.seq = seq;
  impl->decide_lengths(asked);
  return Pairs(std::move(impl));
}

const std::string& Pairs::path() const { return impl_->path; }
const Tokenizer& Pairs::tokenizer() const { return impl_->tokenizer; }
const std::vector<std::string>& Pairs::notes() const { return impl_->notes; }
std::int64_t Pairs::vocab_size() const { return impl_->tokenizer.vocab_size(); }
std::int64_t Pairs::source_seq() const { return impl_->options.source_seq; }
std::int64_t Pairs::seq() const { return impl_->options.seq; }
bool Pairs::endless() const { return impl_->task != nullptr; }
std::int64_t Pairs::train_pairs() const { return impl_->train; }
std::int64_t Pairs::held_out_pairs() const {
  return impl_->task ? held_out_of_a_task : std::ssize(impl_->taken) - impl_->train;
}
std::vector<LengthBucket> Pairs::buckets() const {
  std::vector<LengthBucket> buckets;
  for (const auto& [length, share] : length_buckets(impl_->some_lengths(), {source_seq(), seq()}))
    buckets.push_back({length.seq, {{"source_seq", length.source}}, share});
  return buckets;
}
std::string Pairs::digest() const { return impl_->held ? impl_->held->digest() : impl_->path; }
std::int64_t Pairs::memory_bytes() const {
  const auto numbers = static_cast<std::int64_t>(impl_->taken.capacity() * sizeof impl_->taken[0]);
  return vocabulary_bytes(vocab_size()) + (impl_->held ? impl_->held->memory_bytes() + numbers : 0);
}

namespace {

void require_rows(std::int64_t first, std::int64_t count, std::int64_t rows, const char* where) {
  require(first >= 0 && count >= 0 && first <= rows && count <= rows - first, where, "no such pairs",
          fmt::format("0 to {}", rows), fmt::format("{} from {} on", count, first));
}

}  // namespace

void Pairs::require_both_parts() const {
  if (impl_->task) return;
  impl_->require_some(train_pairs() > 0, "train on");
  impl_->require_some(held_out_pairs() > 0, "hold out");
}

PairBatch Pairs::batch(std::int64_t n, std::int64_t pairs) const { return batch(n, pairs, 0, pairs); }

PairBatch Pairs::batch(std::int64_t n, std::int64_t pairs, std::int64_t first, std::int64_t count) const {
  require_rows(n, 0, std::numeric_limits<std::int64_t>::max(), "Pairs::batch");
  require_rows(first, count, pairs, "Pairs::batch");
  if (!impl_->task) impl_->require_some(impl_->train > 0, "train on");
  return impl_->gathered(n * pairs + first, count, [&](std::int64_t i) { return impl_->training(i); });
}

PairBatch Pairs::held_out(std::int64_t first, std::int64_t count) const {
  require_rows(first, count, held_out_pairs(), "Pairs::held_out");
  return impl_->gathered(first, count, [&](std::int64_t i) { return impl_->held_out(i); });
}

PairBatch Pairs::all(std::int64_t first, std::int64_t count) const {
  require_rows(first, count, std::ssize(impl_->taken), "Pairs::all");
  return impl_->gathered(first, count, [&](std::int64_t i) {
    return impl_->held->read(impl_->taken[static_cast<std::size_t>(i)]);
  });
}

}  // namespace hone
