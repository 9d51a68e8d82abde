// Learns a byte-level BPE: the most frequent pair of neighbours becomes a token, again and again (Sennrich et
// al., 2016). Counts are kept by distinct word and changed only where a merge takes place; a heap holds pairs
// with counts that may be outdated, corrected when they come to the top. Ties go to the lower ids, so that
// the result is a function of the text alone, and the same as Hugging Face's trainer finds.
#include <algorithm>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/utf8.hpp"
#include "text/bpe_trainer.hpp"

namespace hone {
namespace {

constexpr std::int64_t least_count = 2;  // a pair that occurs once teaches nothing

using Pair = std::pair<std::int32_t, std::int32_t>;

std::uint64_t key_of(Pair p) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(p.first)) << 32) |
         static_cast<std::uint32_t>(p.second);
}

struct CountedWord {
  std::vector<std::int32_t> ids;
  std::int64_t count;
};

struct PairState {
  std::int64_t count = 0;
  std::vector<std::uint32_t> words;  // where it occurs or once did
};

struct Candidate {
  std::int64_t count;
  Pair pair;
  bool operator<(const Candidate& other) const {  // the heap's top is the largest
    return std::tuple(count, other.pair) < std::tuple(other.count, pair);
  }
};

class Trainer {
 public:
  Trainer(std::vector<CountedWord> words, std::vector<std::string> tokens)
      : words_(std::move(words)), tokens_(std::move(tokens)) {
    for (std::size_t id = 0; id < tokens_.size(); ++id)
      ids_.emplace(tokens_[id], static_cast<std::int32_t>(id));
    for (std::uint32_t w = 0; w < words_.size(); ++w)
      for (std::size_t i = 0; i + 1 < words_[w].ids.size(); ++i)
        change({words_[w].ids[i], words_[w].ids[i + 1]}, w, +1);
    for (const auto& [key, state] : pairs_) push(key, state);
  }

  void run(std::size_t vocab_size) {
    while (tokens_.size() < vocab_size && !heap_.empty()) {
      const Candidate top = heap_.top();
      heap_.pop();
      PairState& state = pairs_[key_of(top.pair)];
      if (state.count != top.count) {
        push(key_of(top.pair), state);
        continue;
      }
      if (top.count < least_count) return;
      merge(top.pair);
    }
  }

  std::vector<BpeMerge> merges;
  std::vector<std::string> take_tokens() { return std::move(tokens_); }
  std::int64_t text_tokens() const {
    std::int64_t sum = 0;
    for (const CountedWord& word : words_) sum += word.count * static_cast<std::int64_t>(word.ids.size());
    return sum;
  }

 private:
  void push(std::uint64_t key, const PairState& state) {
    if (state.count > 0)
      heap_.push({state.count, {static_cast<std::int32_t>(key >> 32), static_cast<std::int32_t>(key)}});
  }

  void change(Pair pair, std::uint32_t word, std::int64_t sign) {
    PairState& state = pairs_[key_of(pair)];
    state.count += sign * words_[word].count;
    if (sign > 0 && (state.words.empty() || state.words.back() != word)) state.words.push_back(word);
  }

  void merge(Pair pair) {
    const std::string joined =
        tokens_[static_cast<std::size_t>(pair.first)] + tokens_[static_cast<std::size_t>(pair.second)];
    const auto [it, fresh] = ids_.emplace(joined, static_cast<std::int32_t>(tokens_.size()));
    if (fresh) tokens_.push_back(joined);
    merges.push_back({pair.first, pair.second, it->second});
    grown_.clear();
    const std::vector<std::uint32_t> places = std::move(pairs_[key_of(pair)].words);
    for (const std::uint32_t word : places) merge_in(word, pair, it->second);
    pairs_[key_of(pair)] = {};
    for (const std::uint64_t key : grown_) push(key, pairs_[key]);
  }

  // Rewrites one word: its pairs are taken out of the counts and those of the new word put in, if it has
  // `pair`.
  void merge_in(std::uint32_t word, Pair pair, std::int32_t result) {
    std::vector<std::int32_t>& ids = words_[word].ids;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < ids.size(); ++i, ++kept) {
      const bool here = i + 1 < ids.size() && ids[i] == pair.first && ids[i + 1] == pair.second;
      if (!here) {
        ids[kept] = ids[i];
        continue;
      }
      if (kept > 0) replace({ids[kept - 1], pair.first}, {ids[kept - 1], result}, word);
      if (i + 2 < ids.size()) replace({pair.second, ids[i + 2]}, {result, ids[i + 2]}, word);
      ids[kept] = result;
      ++i;
    }
    ids.resize(kept);
  }

  void replace(Pair old, Pair now, std::uint32_t word) {
    change(old, word, -1);
    change(now, word, +1);
    grown_.push_back(key_of(now));
  }

  std::vector<CountedWord> words_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_map<std::uint64_t, PairState> pairs_;
  std::priority_queue<Candidate> heap_;
  std::vector<std::uint64_t> grown_;
};

void check(const BpeOptions& options) {
  const auto least = static_cast<std::int64_t>(256 + options.special_tokens.size());
  if (options.vocab_size < least || options.vocab_size > (1 << 24))
    throw Error(ErrorKind::usage, {.what = "the vocabulary must hold the bytes and the special tokens",
                                   .where = "vocab_size",
                                   .expected = std::to_string(least) + " to " + std::to_string(1 << 24),
                                   .found = std::to_string(options.vocab_size)});
  std::vector<std::string> sorted = options.special_tokens;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end() ||
      (!sorted.empty() && sorted[0].size() < 2))
    throw Error(ErrorKind::usage, {.what = "special tokens must differ, and have two bytes or more",
                                   .where = "special_tokens"});
  for (const std::string& token : sorted)
    for (std::size_t at = 0; at < token.size();) {
      const std::size_t bytes = code_point_at(token, at).bytes;
      if (bytes == 0)
        throw Error(ErrorKind::usage,
                    {.what = "a special token is not valid UTF-8", .where = "special_tokens"});
      at += bytes;
    }
}

const BpeOptions& checked(const BpeOptions& options) {
  check(options);
  return options;
}

AddedTokens added_of(const BpeOptions& options) {
  std::vector<AddedToken> added;
  for (const std::string& token : options.special_tokens)
    added.push_back({token, static_cast<std::int32_t>(added.size()), true});
  return AddedTokens(std::move(added));
}

// Appends the single bytes, and says where each stands.
std::array<std::int32_t, 256> add_bytes(std::vector<std::string>& tokens) {
  std::array<int, 256> order{};
  for (int b = 0; b < 256; ++b) order[static_cast<std::size_t>(b)] = b;
  std::sort(order.begin(), order.end(), [](int a, int b) {
    return byte_character(static_cast<unsigned char>(a)) < byte_character(static_cast<unsigned char>(b));
  });
  std::array<std::int32_t, 256> byte_ids{};
  for (const int b : order) {
    byte_ids[static_cast<std::size_t>(b)] = static_cast<std::int32_t>(tokens.size());
    tokens.emplace_back(1, static_cast<char>(b));
  }
  return byte_ids;
}

}  // namespace

BpeTrainer::BpeTrainer(const BpeOptions& options) : options_(checked(options)), counts_(added_of(options)) {}

void BpeTrainer::add(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t size = next_character(piece, std::min(piece.size(), WordCounts::usual_piece_bytes));
    counts_.add(piece.substr(0, size));
    piece.remove_prefix(size);
  }
}

Tokenizer BpeTrainer::finish() {
  counts_.finish();
  std::vector<std::string> tokens = options_.special_tokens;
  const std::array<std::int32_t, 256> byte_ids = add_bytes(tokens);
  std::vector<CountedWord> words;
  counts_.take_each([&](std::string_view word, std::int64_t count) {
    std::vector<std::int32_t>& ids = words.emplace_back(CountedWord{{}, count}).ids;
    ids.reserve(word.size());
    for (const char c : word) ids.push_back(byte_ids[static_cast<unsigned char>(c)]);
  });  // in any order: only sums over words are used
  Trainer trainer(std::move(words), std::move(tokens));
  trainer.run(static_cast<std::size_t>(options_.vocab_size));
  tokens_ = trainer.text_tokens() + counts_.added_tokens();
  Tokenizer::Impl parts;
  parts.added = counts_.added();
  parts.tokens = trainer.take_tokens();
  parts.bpe = std::make_shared<const Bpe>(byte_ids, std::move(trainer.merges));
  return make_bpe_tokenizer(std::move(parts));
}

Tokenizer Tokenizer::train_bpe(std::string_view text, const BpeOptions& options) {
  BpeTrainer trainer(options);
  trainer.add(text);
  return trainer.finish();
}

}  // namespace hone
