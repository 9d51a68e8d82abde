// Unigram (Kudo 2018): of all ways to write a word in pieces the one whose scores have the largest sum.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/utf8.hpp"
#include "hone/error.hpp"
#include "text/flat_map.hpp"
#include "text/models.hpp"

namespace hone {
namespace {

constexpr double unknown_penalty = 10;  // below the lowest score, as in SentencePiece

// The pieces as a tree of bytes.
class PieceTree {
 public:
  void add(std::string_view text, std::int32_t id) {
    std::int32_t node = 0;
    for (const char c : text) {
      std::int32_t next = children_.find(node, static_cast<unsigned char>(c));
      if (next < 0) {
        next = static_cast<std::int32_t>(ids_.size());
        ids_.push_back(Vocabulary::none);
        children_.set(node, static_cast<unsigned char>(c), next);
      }
      node = next;
    }
    ids_[static_cast<std::size_t>(node)] = id;
  }
  std::int32_t child(std::int32_t node, char c) const {
    return children_.find(node, static_cast<unsigned char>(c));
  }
  std::int32_t id(std::int32_t node) const { return ids_[static_cast<std::size_t>(node)]; }

 private:
  FlatMap children_;  // of (node, byte)
  std::vector<std::int32_t> ids_{Vocabulary::none};
};

class Unigram {
 public:
  Unigram(const std::vector<UnigramPiece>& pieces, const UnigramOptions& options, std::string where)
      : options_(options), where_(std::move(where)) {
    double lowest = std::numeric_limits<double>::infinity();
    for (const UnigramPiece& piece : pieces) {
      const auto id = static_cast<std::int32_t>(scores_.size());
      scores_.push_back(piece.score);
      lowest = std::min(lowest, piece.score);
      ids_.set(piece.text, id);  // of two alike the later counts
      if (!piece.text.empty()) tree_.add(piece.text, id);
    }
    unknown_score_ = lowest - unknown_penalty;
    bytes_ = unknown_tokens(ids_, "", false, options_.by_bytes).byte_ids;
  }

  void encode(std::string_view word, std::vector<WordScratch::Node>& best,
              std::vector<std::int32_t>& ids) const {
    best.assign(word.size() + 1, {0, -1, 0});
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t bytes = std::max<std::size_t>(1, code_point_at(word, at).bytes);
      if (!reach(word, at, bytes, best)) {
        if (options_.unknown < 0) refuse_unknown(word.substr(at, bytes));
        improve(best[at + bytes], best[at].score + unknown_score_, at, options_.unknown);
      }
      at += bytes;
    }
    hand_on(word, best, ids);
  }

 private:
  static void improve(WordScratch::Node& node, double score, std::size_t begin, std::int32_t id) {
    if (node.begin < 0 || score > node.score) node = {score, static_cast<std::int32_t>(begin), id};
  }

  // All pieces that begin there; whether one is that character alone.
  bool reach(std::string_view word, std::size_t at, std::size_t bytes,
             std::vector<WordScratch::Node>& best) const {
    bool alone = false;
    std::int32_t node = 0;
    for (std::size_t end = at; end < word.size();) {
      node = tree_.child(node, word[end++]);
      if (node < 0) break;
      const std::int32_t id = tree_.id(node);
      if (id < 0) continue;
      improve(best[end], best[at].score + scores_[static_cast<std::size_t>(id)], at, id);
      alone = alone || end == at + bytes;
    }
    return alone;
  }

  // From the end back; unknown characters that stand together are one.
  void hand_on(std::string_view word, const std::vector<WordScratch::Node>& best,
               std::vector<std::int32_t>& ids) const {
    const auto first = static_cast<std::ptrdiff_t>(ids.size());
    for (std::size_t end = word.size(); end > 0;) {
      std::size_t begin = static_cast<std::size_t>(best[end].begin);
      const std::int32_t id = best[end].id;
      if (id != options_.unknown) {
        ids.push_back(id);
      } else {
        while (begin > 0 && best[begin].id == options_.unknown)
          begin = static_cast<std::size_t>(best[begin].begin);
        add_unknown(word.substr(begin, end - begin), ids);
      }
      end = begin;
    }
    std::reverse(ids.begin() + first, ids.end());
  }

  // Backwards.
  void add_unknown(std::string_view text, std::vector<std::int32_t>& ids) const {
    const auto byte_id = [&](char c) { return bytes_[static_cast<unsigned char>(c)]; };
    if (const std::int32_t id = ids_.find(text); id >= 0) return ids.push_back(id);
    if (options_.by_bytes && std::all_of(text.begin(), text.end(), [&](char c) { return byte_id(c) >= 0; })) {
      for (std::size_t i = text.size(); i-- > 0;) ids.push_back(byte_id(text[i]));
      return;
    }
    ids.push_back(options_.unknown);
  }

  [[noreturn]] void refuse_unknown(std::string_view character) const {
    throw Error(ErrorKind::input,
                {.what = "the vocabulary lacks a character of the text, and there is no unk_id",
                 .where = where_,
                 .found = "'" + std::string(character) + "'"});
  }

  UnigramOptions options_;
  std::string where_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  Vocabulary ids_;
  PieceTree tree_;
  std::array<std::int32_t, 256> bytes_{};
};

}  // namespace

WordModel unigram_model(const std::vector<UnigramPiece>& pieces, const UnigramOptions& options,
                        const std::string& where) {
  return [model = std::make_shared<const Unigram>(pieces, options, where)](
             std::string_view word, WordScratch& scratch, std::vector<std::int32_t>& ids) {
    model->encode(word, scratch.nodes, ids);
  };
}

}  // namespace hone
