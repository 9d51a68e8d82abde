#include "hone/examples.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/random.hpp"
#include "data/example_file.hpp"
#include "data/pair_file.hpp"
#include "data/tokens.hpp"
#include "data/windows.hpp"
#include "file/hash.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;
constexpr std::int32_t ignored = -100;

// One example as ids, and for each whether it is learned.
struct Example {
  Ids ids;
  std::vector<bool> learned;
};

std::int64_t common(const Ids& a, const Ids& b) { return std::ranges::mismatch(a, b).in1 - a.begin(); }

// A border in the text is the border in the ids up to which the text in front of it is the same ids: what
// goes across it belongs to what follows.
Example encoded(const Tokenizer& tokenizer, const ExampleText& text, const ExampleOptions& options) {
  const bool all = options.train_on_prompt;
  const bool framed = !text.framed;  // by the tokenizer: <s> in front, where it has that
  Example e{tokenizer.encode(text.text, framed), {}};
  e.learned.assign(e.ids.size(), all);
  const auto ids_before = [&](std::size_t byte) {
    if (byte == text.text.size()) return std::ssize(e.ids);
    return common(tokenizer.encode(text.text.substr(0, byte), framed), e.ids);
  };
  for (const auto& [begin, end] : all ? decltype(text.learned){} : text.learned)
    std::fill(e.learned.begin() + ids_before(begin), e.learned.begin() + ids_before(end), true);
  const auto end = options.end ? options.end : tokenizer.end_of_text();
  if (framed && end && (e.ids.empty() || e.ids.back() != *end))
    e.ids.push_back(*end), e.learned.push_back(true);
  return e;
}

}  // namespace

struct Examples::Impl {
  struct Place {
    std::int64_t begin, line;
  };

  std::string path;
  Tokenizer tokenizer;
  ExampleOptions options;  // its length decided
  std::uint64_t key;       // of the order
  std::shared_ptr<const Tokens> ids{};
  std::shared_ptr<const std::vector<bool>> learned{};
  std::shared_ptr<const std::vector<Place>> places{};  // and one behind the last
  std::vector<std::int64_t> taken{};  // numbers of those that are not dropped; the first `train` train
  std::int64_t train = 0;
  using Row = std::vector<std::int64_t>;           // numbers of the examples that share it
  std::vector<Row> rows{};                         // of a pass
  std::vector<std::string> read_notes{}, notes{};  // of what was read; and of what was chosen of it

  static std::shared_ptr<const Impl> make(const std::string& path, Tokenizer tokenizer,
                                          const ExampleOptions& o);
  void read_file();
  void choose();
  std::int64_t first_held_out() const;
  void pack();

  std::int64_t size() const { return std::ssize(*places) - 1; }
  const Place& place(std::int64_t i) const { return (*places)[static_cast<std::size_t>(i)]; }
  std::int64_t tokens(std::int64_t i) const { return place(i + 1).begin - place(i).begin; }
  bool learns_within(std::int64_t i, std::int64_t seq) const;
  Example read(std::int64_t i) const;
  const Row& training(std::int64_t sample) const;
  void append(const Example& e, ExampleBatch& batch) const;
  ExampleBatch gathered(const std::vector<Row>& chosen) const;
  ShownExample shown(std::int64_t i) const;
};

// --- how long, and which -----------------------------------------------------------------------------------

void Examples::Impl::read_file() {
  auto all = std::make_shared<Tokens>(token_bytes_for(tokenizer.vocab_size()));
  auto marks = std::make_shared<std::vector<bool>>();
  auto begins = std::make_shared<std::vector<Place>>();
  std::int64_t lines = 0, turns = 0, chats = 0;  // of `chats` each turn is an example
  read_examples(
      path, options.chat, options.train_on_prompt ? Learned::all : Learned::answers,
      [&](const ExampleText& text) {
        const Example e = encoded(tokenizer, text, options);
        // The first token follows nothing, so nothing learns it.
        if (e.ids.size() < 2 || std::find(e.learned.begin() + 1, e.learned.end(), true) == e.learned.end())
          throw Error(ErrorKind::input, {.what = "the loss would look at nothing in this example",
                                         .where = line_of(path, text.line),
                                         .hint = "it needs an assistant's turn, or a completion"});
        const bool first = begins->empty() || begins->back().line != text.line;
        lines += first ? 1 : 0;
        turns += text.one_turn ? 1 : 0;
        chats += text.one_turn && first ? 1 : 0;
        begins->push_back({all->size(), text.line});
        all->append(e.ids);
        marks->insert(marks->end(), e.learned.begin(), e.learned.end());
      });
  if (lines < 2)
    throw Error(ErrorKind::input, {.what = "too few examples",
                                   .where = path,
                                   .expected = "2 lines or more: the last tenth is held out",
                                   .found = std::to_string(lines)});
  if (chats > 0)
    read_notes.push_back(
        fmt::format("{}: {} chats are {} examples, each of which ends with a turn of the assistant: the chat "
                    "template writes turns otherwise when others follow",
                    path, chats, turns));
  begins->push_back({all->size(), 0});
  ids = std::move(all), learned = std::move(marks), places = std::move(begins);
}

bool Examples::Impl::learns_within(std::int64_t i, std::int64_t seq) const {
  const auto first = learned->begin() + place(i).begin;  // the first token follows nothing
  return std::find(first + 1, first + std::min(tokens(i), seq + 1), true) !=
         first + std::min(tokens(i), seq + 1);
}

// Nine tenths, moved to where a line begins: what is held out is no part of a chat that is learned.
std::int64_t Examples::Impl::first_held_out() const {
  const std::int64_t tenths = size() / 10 * 9 + size() % 10 * 9 / 10;
  const auto within_line = [&](std::int64_t i) {
    return i > 0 && i < size() && place(i).line == place(i - 1).line;
  };
  std::int64_t cut = tenths;
  while (within_line(cut)) --cut;
  if (cut == 0)
    for (cut = tenths; within_line(cut);) ++cut;
  return cut;
}

void Examples::Impl::choose() {
  if (options.seq < 0)
    throw Error(ErrorKind::usage, {.what = "the length is out of range",
                                   .where = "seq",
                                   .expected = "0 (the longest) or more",
                                   .found = std::to_string(options.seq)});
  if (options.seq == 0)
    for (std::int64_t i = 0; i < size(); ++i) options.seq = std::max(options.seq, tokens(i) - 1);
  const std::int64_t cut = first_held_out();
  std::int64_t longer = 0, without = 0;
  taken.clear();
  train = 0;
  for (std::int64_t i = 0; i < size(); ++i) {
    const bool fits = tokens(i) <= options.seq + 1;
    if (!fits && options.too_long == TooLong::error)
      throw Error(ErrorKind::input, {.what = "the example is too long",
                                     .where = line_of(path, place(i).line),
                                     .expected = fmt::format("at most {} tokens", options.seq + 1),
                                     .found = std::to_string(tokens(i)),
                                     .hint = "--too-long drop leaves such examples out, cut shortens them"});
    longer += fits ? 0 : 1;
    const bool learns = fits || learns_within(i, options.seq);  // a step of its own would have no loss
    without += learns ? 0 : 1;
    if (!fits && (options.too_long == TooLong::drop || !learns)) continue;
    taken.push_back(i);
    train += i < cut ? 1 : 0;
  }
  if (longer > 0)
    notes.push_back(fmt::format("{}: {} of {} examples have more than {} tokens: {}", path, longer, size(),
                                options.seq + 1, options.too_long == TooLong::drop ? "left out" : "cut"));
  if (without > 0 && options.too_long == TooLong::cut)
    notes.push_back(
        fmt::format("{}: of {} of these nothing that is learned was left: left out", path, without));
  if (train == 0 || train == std::ssize(taken))
    throw Error(ErrorKind::input,
                {.what = "no example is left to " + std::string(train == 0 ? "train on" : "hold out"),
                 .where = path,
                 .expected = fmt::format("examples of at most {} tokens", options.seq + 1),
                 .hint = "raise --seq"});
  pack();
}

std::shared_ptr<const Examples::Impl> Examples::Impl::make(const std::string& path, Tokenizer tokenizer,
                                                           const ExampleOptions& o) {
  auto impl = std::make_shared<Impl>(Impl{
      .path = path, .tokenizer = std::move(tokenizer), .options = o, .key = stream_key("examples", o.seed)});
  impl->read_notes = impl->tokenizer.notes();
  impl->read_file();
  impl->notes = impl->read_notes;
  impl->choose();
  return impl;
}

// First fit, in an order drawn from the seed, among the newest rows that have room.
void Examples::Impl::pack() {
  constexpr std::size_t most_open = 64;
  rows.clear();
  std::vector<std::pair<std::size_t, std::int64_t>> open;  // a row, and its room
  for (std::int64_t i = 0; i < train; ++i) {
    const std::int64_t number = taken[static_cast<std::size_t>(permuted(key, i, train))];
    const std::int64_t needed = std::min(tokens(number) - 1, options.seq);
    auto place = std::find_if(open.begin(), open.end(), [&](const auto& o) { return o.second >= needed; });
    if (place == open.end() || !options.packed) {
      if (open.size() == most_open) open.erase(open.begin());
      open.emplace_back(rows.size(), options.seq);
      rows.emplace_back();
      place = open.end() - 1;
    }
    rows[place->first].push_back(number);
    place->second -= needed;
    if (place->second == 0) open.erase(place);
  }
}

// --- samples -----------------------------------------------------------------------------------------------

Example Examples::Impl::read(std::int64_t i) const {
  Example e;
  e.ids.resize(static_cast<std::size_t>(tokens(i)));
  ids->read(place(i).begin, tokens(i), e.ids.data());
  e.learned.assign(learned->begin() + place(i).begin, learned->begin() + place(i + 1).begin);
  return e;
}

const Examples::Impl::Row& Examples::Impl::training(std::int64_t sample) const {
  const auto count = std::ssize(rows);
  const auto pass = static_cast<std::uint64_t>(sample / count);
  return rows[static_cast<std::size_t>(
      permuted(key ^ (pass * 0x9E3779B97F4A7C15ull), sample % count, count))];
}

// What of it fits; its last token is only learned.
void Examples::Impl::append(const Example& e, ExampleBatch& batch) const {
  const auto length = std::min(std::ssize(e.ids) - 1, options.seq);
  for (std::int64_t t = 0; t < length; ++t) {
    const auto at = static_cast<std::size_t>(t);
    batch.ids.push_back(e.ids[at]);
    batch.labels.push_back(e.learned[at + 1] ? e.ids[at + 1] : ignored);
    batch.positions.push_back(static_cast<std::int32_t>(t));
  }
}

ExampleBatch Examples::Impl::gathered(const std::vector<Row>& chosen) const {
  ExampleBatch batch{std::ssize(chosen), options.seq};
  for (const Row& row : chosen) {
    for (const std::int64_t i : row) append(read(i), batch);
    while (std::ssize(batch.ids) % options.seq != 0) {  // padding goes on as the last example's
      batch.ids.push_back(0), batch.labels.push_back(ignored);
      batch.positions.push_back(batch.positions.back() + 1);
    }
  }
  if (!options.packed) batch.positions.clear();
  return batch;
}

// What of it fits, in runs that are learned or not.
ShownExample Examples::Impl::shown(std::int64_t i) const {
  Example e = read(i);
  e.ids.resize(std::min(e.ids.size(), static_cast<std::size_t>(options.seq + 1)));
  ShownExample out{.line = place(i).line, .tokens = std::ssize(e.ids)};
  for (std::size_t begin = 0, end = 0; begin < e.ids.size(); begin = end) {
    const bool is = begin > 0 && e.learned[begin];
    for (end = begin + 1; end < e.ids.size() && e.learned[end] == is; ++end) {
    }
    out.pieces.push_back({tokenizer.decode(std::span(e.ids).subspan(begin, end - begin), true), is});
    if (is) out.trained_tokens += static_cast<std::int64_t>(end - begin);
  }
  return out;
}

// --- the face ----------------------------------------------------------------------------------------------

Examples::Examples(const std::string& path, Tokenizer tokenizer, const ExampleOptions& options)
    : impl_(Impl::make(path, std::move(tokenizer), options)) {}

Examples Examples::with_length(std::int64_t seq) const {
  auto impl = std::make_shared<Impl>(*impl_);
  impl->notes = impl->read_notes;
  impl->options.seq = seq;
  impl->choose();
  return Examples(std::move(impl));
}

const std::string& Examples::path() const { return impl_->path; }
const Tokenizer& Examples::tokenizer() const { return impl_->tokenizer; }
const std::vector<std::string>& Examples::notes() const { return impl_->notes; }
std::int64_t Examples::seq() const { return impl_->options.seq; }
std::int64_t Examples::train_examples() const { return impl_->train; }
std::int64_t Examples::train_rows() const { return std::ssize(impl_->rows); }
std::int64_t Examples::held_out_examples() const { return std::ssize(impl_->taken) - impl_->train; }

std::string Examples::digest() const {
  Digest digest;
  for (std::int64_t i = 0; i < impl_->size(); ++i) {
    const Example e = impl_->read(i);
    std::vector<std::int32_t> all{static_cast<std::int32_t>(e.ids.size())};
    for (std::size_t t = 0; t < e.ids.size(); ++t) all.push_back(2 * e.ids[t] + (e.learned[t] ? 1 : 0));
    digest.add(std::as_bytes(std::span(all)));
  }
  return digest.hex();
}

std::int64_t Examples::memory_bytes() const {
  const auto bytes = [](std::size_t count, std::size_t each) {
    return static_cast<std::int64_t>(count * each);
  };
  return vocabulary_bytes(impl_->tokenizer.vocab_size()) + impl_->ids->memory_bytes() +
         bytes(impl_->learned->capacity() / 8, 1) + bytes(impl_->places->capacity(), sizeof(Impl::Place)) +
         bytes(impl_->taken.capacity(), sizeof(std::int64_t));
}

namespace {

void require_rows(std::int64_t first, std::int64_t count, std::int64_t rows, const char* where) {
  if (first >= 0 && count >= 0 && first <= rows && count <= rows - first) return;
  throw Error(ErrorKind::usage, {.what = "no such examples",
                                 .where = where,
                                 .expected = fmt::format("0 to {}", rows),
                                 .found = fmt::format("{} from {} on", count, first)});
}

}  // namespace

ExampleBatch Examples::batch(std::int64_t n, std::int64_t rows) const { return batch(n, rows, 0, rows); }

ExampleBatch Examples::batch(std::int64_t n, std::int64_t rows, std::int64_t first,
                             std::int64_t count) const {
  require_rows(n, 0, std::numeric_limits<std::int64_t>::max(), "Examples::batch");
  require_rows(first, count, rows, "Examples::batch");
  std::vector<Impl::Row> chosen;
  for (std::int64_t i = first; i < first + count; ++i) chosen.push_back(impl_->training(n * rows + i));
  return impl_->gathered(chosen);
}

ExampleBatch Examples::held_out(std::int64_t first, std::int64_t count) const {
  require_rows(first, count, held_out_examples(), "Examples::held_out");
  return all(impl_->train + first, count);
}

ExampleBatch Examples::all(std::int64_t first, std::int64_t count) const {
  require_rows(first, count, std::ssize(impl_->taken), "Examples::all");
  std::vector<Impl::Row> chosen;
  for (std::int64_t i = first; i < first + count; ++i)
    chosen.push_back({impl_->taken[static_cast<std::size_t>(i)]});
  return impl_->gathered(chosen);
}

std::int64_t ExampleBatch::tokens() const { return BatchView(*this).tokens(); }

Samples ExampleBatch::samples() const {
  Samples s = BatchView(*this).samples();
  if (!positions.empty()) s.set("positions", positions);
  return s;
}

std::vector<ShownExample> Examples::show(std::int64_t first, std::int64_t count) const {
  require_rows(first, count, std::ssize(impl_->taken), "Examples::show");
  std::vector<ShownExample> all;
  for (std::int64_t i = first; i < first + count; ++i)
    all.push_back(impl_->shown(impl_->taken[static_cast<std::size_t>(i)]));
  return all;
}

}  // namespace hone
