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
#include "text/split.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {
namespace {

constexpr std::int64_t least_count = 2;  // a pair that occurs once teaches nothing

using Pair = std::pair<std::int32_t, std::int32_t>;

std::uint64_t key_of(Pair p) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(p.first)) << 32) |
         static_cast<std::uint32_t>(p.second);
}

struct Word {
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

std::vector<Word> count_words(std::string_view text, const AddedTokens& added,
                              const std::array<std::int32_t, 256>& byte_ids) {
  std::unordered_map<std::string_view, std::int64_t> counts;
  const auto count = [&](std::string_view part) {
    WordCursor cursor(part);
    for (std::string_view word; cursor.next(word);) ++counts[word];
  };
  for_each_piece(added, text, count, [](const AddedToken&) {});
  std::vector<Word> words;
  words.reserve(counts.size());
  for (const auto& [word, n] : counts) {
    Word& w = words.emplace_back(Word{{}, n});
    for (const char c : word) w.ids.push_back(byte_ids[static_cast<unsigned char>(c)]);
  }
  return words;  // in any order: only sums over words are used
}

class Trainer {
 public:
  Trainer(std::vector<Word> words, std::vector<std::string> tokens)
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

  std::vector<Word> words_;
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

}  // namespace

Tokenizer Tokenizer::train_bpe(std::string_view text, const BpeOptions& options) {
  check(options);
  std::vector<std::string> tokens = options.special_tokens;
  std::vector<AddedToken> added;
  added.reserve(tokens.size());
  for (const std::string& token : tokens)
    added.push_back({token, static_cast<std::int32_t>(added.size()), true});
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
  Impl parts;
  parts.added = AddedTokens(std::move(added));
  Trainer trainer(count_words(text, parts.added, byte_ids), std::move(tokens));
  trainer.run(static_cast<std::size_t>(options.vocab_size));
  parts.tokens = trainer.take_tokens();
  parts.bpe = Bpe(byte_ids, std::move(trainer.merges));
  return make_bpe_tokenizer(std::move(parts));
}

}  // namespace hone
