#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "data/documents.hpp"
#include "data/shards.hpp"
#include "file/atomic.hpp"
#include "hone/shards.hpp"

namespace hone {
namespace {

// Tokens of documents into windows of `tokens` each, none with tokens of two: one begins with the last token
// of that before it, and a document's last one is filled up with padding.
class WindowCutter {
 public:
  WindowCutter(std::int64_t tokens, std::int32_t padding)
      : tokens_(static_cast<std::size_t>(tokens)), padding_(padding) {}

  // visit(window) for each that is full.
  template <class Visit>
  void append(std::span<const std::int32_t> ids, const Visit& visit) {
    for (const std::int32_t id : ids) {
      window_.push_back(id);
      if (window_.size() < tokens_) continue;
      visit(window_);
      window_.assign(1, id);
    }
  }

  template <class Visit>
  void end_document(const Visit& visit) {
    if (window_.size() > 1) {  // one token alone predicts nothing
      window_.resize(tokens_, padding_);
      visit(window_);
    }
    window_.clear();
  }

 private:
  std::size_t tokens_;
  std::int32_t padding_;
  std::vector<std::int32_t> window_;
};

// The shards of one part, a new file whenever one is full.
class PartWriter {
 public:
  PartWriter(const AtomicFolder& folder, std::string name, const PackedShardHeader& header,
             std::int64_t shard_tokens, std::int32_t padding)
      : folder_(folder), name_(std::move(name)), header_(header), shard_tokens_(shard_tokens) {
    if (header.window_tokens > 0) cutter_.emplace(header.window_tokens, padding);
  }

  void append(std::span<const std::int32_t> ids) {
    part_.tokens += std::ssize(ids);
    in_document_ = in_document_ || !ids.empty();
    if (cutter_)
      cutter_->append(ids, [&](auto& window) { store_window(window); });
    else
      store(ids);
  }

  void end_document() {
    if (!in_document_) return;
    in_document_ = false;
    ++part_.documents;
    if (cutter_) cutter_->end_document([&](auto& window) { store_window(window); });
    if (shard_) shard_->end_document();
  }

  ShardPart finish(std::int64_t text_bytes) {
    end_document();
    end_shard();
    part_.text_bytes = text_bytes;
    return std::move(part_);
  }

 private:
  void store_window(std::span<const std::int32_t> window) {
    ++part_.windows;
    store(window);
  }

  void store(std::span<const std::int32_t> ids) {
    while (!ids.empty()) {
      if (shard_ && shard_->tokens() >= shard_tokens_) end_shard();
      if (!shard_) begin_shard();
      const auto room = static_cast<std::size_t>(shard_tokens_ - shard_->tokens());
      // Windows are not divided: the last one of a shard may make it larger.
      const auto now = ids.first(cutter_ ? ids.size() : std::min(ids.size(), room));
      shard_->append(now);
      ids = ids.subspan(now.size());
    }
  }

  void begin_shard() {
    std::string number = std::to_string(part_.shards.size());
    if (number.size() < 5) number.insert(0, 5 - number.size(), '0');
    part_.shards.push_back({.name = name_ + "-" + number + ".tok"});
    shard_ = std::make_unique<PackedShardWriter>(folder_.file(part_.shards.back().name), header_);
  }

  void end_shard() {
    if (!shard_) return;
    part_.shards.back().sum = shard_->finish();
    shard_.reset();
  }

  const AtomicFolder& folder_;
  std::string name_;
  PackedShardHeader header_;
  std::int64_t shard_tokens_;
  std::optional<WindowCutter> cutter_;
  std::unique_ptr<PackedShardWriter> shard_;
  bool in_document_ = false;
  ShardPart part_;
};

void check(const ShardOptions& o) {
  const auto require = [](const char* where, std::int64_t value, std::int64_t least, std::int64_t most) {
    if (value < least || value > most)
      throw Error(ErrorKind::usage, {.what = "impossible value",
                                     .where = where,
                                     .expected = std::to_string(least) + " to " + std::to_string(most),
                                     .found = std::to_string(value)});
  };
  require("frame_tokens", o.frame_tokens, 1, 1 << 20);
  // A file for less is one too many.
  require("shard_tokens", o.shard_tokens, std::min<std::int64_t>(o.frame_tokens, 256), std::int64_t{1} << 40);
  require("window", o.window, 0, 1 << 20);
}

}  // namespace

ShardSummary write_token_shards(const TextSource& texts, const Tokenizer& tokenizer,
                                const std::string& out_folder, const ShardOptions& options) {
  check(options);
  Documents documents(texts);
  if (tokenizer.kind() != TokenizerKind::byte || !options.any_bytes) documents.require_text();
  documents.split(tokenizer.kind() != TokenizerKind::byte);
  AtomicFolder folder(out_folder, "meta.json", belongs_to_shards);
  tokenizer.save(folder.staging());
  const std::int64_t vocab_size = tokenizer.vocab_size();
  const bool cut = options.window > 0;
  const PackedShardHeader header{.frame_tokens = options.frame_tokens,
                                 .window_tokens = cut ? options.window + 1 : 0,
                                 .token_bytes = token_bytes_for(vocab_size + (cut ? 1 : 0)),
                                 .tokenizer_sum = tokenizer_sum_of(folder.staging())};
  const auto padding = static_cast<std::int32_t>(padding_of(vocab_size));
  PartWriter train(folder, "train", header, options.shard_tokens, padding);
  PartWriter held_out(folder, "held_out", header, options.shard_tokens, padding);
  const auto to = [](PartWriter& part) -> Documents::Part {
    return {.ids = [to = &part](auto ids) { to->append(ids); },
            .ended = [to = &part] { to->end_document(); }};
  };
  documents.encode(tokenizer, to(train), to(held_out));
  ShardSummary summary{.train = train.finish(documents.train_bytes()),
                       .held_out = held_out.finish(documents.held_out_bytes()),
                       .documents = documents.count(),
                       .window = options.window,
                       .vocab_size = vocab_size,
                       .notes = documents.notes()};
  write_file(folder.file("meta.json"), meta_of(summary).dump(2) + "\n");
  // Read once more as it lies there: the digest, and that nothing was written wrongly.
  const ShardFolder written = open_shards(folder.staging());
  summary.digest = digest_of(written.train, written.held_out, summary.window);
  summary.file_bytes = written.summary.file_bytes;
  write_file(folder.file("meta.json"), meta_of(summary).dump(2) + "\n");
  folder.publish();
  return summary;
}

ShardSummary inspect_token_shards(const std::string& folder, bool verify) {
  ShardFolder opened = open_shards(folder);
  if (!verify || opened.packed.empty()) return std::move(opened.summary);  // version 1 was read whole
  const std::string digest = digest_of(opened.train, opened.held_out, opened.summary.window);
  if (digest != opened.summary.digest)
    throw Error(ErrorKind::input, {.what = "the tokens are not those that meta.json speaks of",
                                   .where = folder,
                                   .expected = opened.summary.digest,
                                   .found = digest});
  return std::move(opened.summary);
}

}  // namespace hone
