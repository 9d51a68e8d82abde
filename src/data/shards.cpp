#include "data/shards.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/raw_shard.hpp"
#include "data/shard_error.hpp"
#include "file/atomic.hpp"
#include "file/hash.hpp"
#include "file/json.hpp"
#include "file/mapped.hpp"

namespace hone {
namespace {

using nlohmann::json;

// "train-00000.tok": by these a folder is known whose meta.json is gone or altered.
bool is_shard_name(const std::string& name) {
  return name.ends_with(".tok") && (name.starts_with("train-") || name.starts_with("held_out-"));
}

std::string hex_of(std::uint64_t sum) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(sum));
  return text;
}

ShardFile file_of(const json& entry, bool name_only, const std::string& where) {
  ShardFile file;
  if (name_only ? entry.is_string() : entry.is_object()) {
    file.name = name_only ? entry.get<std::string>() : json_string(entry, "file", where);
    if (!name_only) file.sum = std::strtoull(json_string(entry, "sum", where).c_str(), nullptr, 16);
  }
  if (file.name.empty() || file.name.find('/') != std::string::npos)
    refuse_shards(where, "\"shards\" is not a list of files");
  return file;
}

ShardPart part_of(const json& meta, const char* name, const std::string& where) {
  const json& entry = json_member(meta, name, where);
  const json& names = json_member(entry, "shards", where);
  ShardPart part{.tokens = json_integer(entry, "tokens", where),
                 .text_bytes = json_integer(entry, "text_bytes", where)};
  if (meta.at("version") != 1) part.documents = json_integer(entry, "documents", where);
  if (entry.contains("windows")) part.windows = json_integer(entry, "windows", where);
  if (!names.is_array()) refuse_shards(where, "\"shards\" is not a list of files");
  for (const json& file : names) part.shards.push_back(file_of(file, meta.at("version") == 1, where));
  return part;
}

json json_of(const ShardPart& part, bool cut) {
  json shards = json::array();
  for (const ShardFile& file : part.shards)
    shards.push_back({{"file", file.name}, {"sum", hex_of(file.sum)}});
  json entry{{"tokens", part.tokens},
             {"documents", part.documents},
             {"text_bytes", part.text_bytes},
             {"shards", std::move(shards)}};
  if (cut) entry["windows"] = part.windows;
  return entry;
}

// Opens the files of a folder, part by part.
class Opening {
 public:
  Opening(const std::string& folder, std::int64_t version, ShardFolder& to)
      : folder_(folder),
        version_(version),
        to_(to),
        cache_(std::make_shared<FrameCache>()),
        tokenizer_sum_(tokenizer_sum_of(folder)) {}

  void part(const ShardPart& part, const char* name, Tokens& tokens) {
    for (const ShardFile& file : part.shards) version_ == 1 ? raw(file, tokens) : packed(file, tokens);
    const std::int64_t window = to_.summary.window;
    const std::int64_t expected = window == 0 ? part.tokens : part.windows * (window + 1);
    if (tokens.size() != expected)
      refuse_shards(folder_ + "/meta.json", std::string("the shards of \"") + name + "\" do not add up",
                    std::to_string(expected) + " tokens", std::to_string(tokens.size()));
  }

  // A megabyte: what unpacking a frame takes beside those that are held.
  std::int64_t memory_bytes() const {
    return version_ == 1 ? 0 : std::min(FrameCache::most_bytes, stored_bytes_) + (std::int64_t{1} << 20);
  }

 private:
  void raw(const ShardFile& named, Tokens& tokens) {
    const std::string path = folder_ + "/" + named.name;
    const MappedFile file(path);
    const RawShardHeader header = check_raw_shard(file.bytes(), to_.summary.vocab_size, path,
                                                  [&](auto first, auto count) { file.drop(first, count); });
    if (header.token_bytes != (to_.summary.vocab_size <= 65536 ? 2 : 4))
      refuse_shards(path, "the shard is of another tokenizer");
    to_.summary.file_bytes += static_cast<std::int64_t>(file.size());
    // Mapped pages kept memory in proportion to the folder even when given back after each window (15 % of
    // 600 MB), and took 10 us a window; pread takes 1.
    tokens.append(
        [file = std::make_shared<const OffsetFile>(path), width = header.token_bytes](
            std::int64_t first, std::int64_t count, std::int32_t* out) {
          std::vector<std::byte> bytes(static_cast<std::size_t>(count * width));
          file->read(raw_shard_header_bytes + static_cast<std::size_t>(first * width), bytes);
          unpack_tokens(bytes.data(), count, width, out);
        },
        header.tokens);
  }

  void packed(const ShardFile& named, Tokens& tokens) {
    const std::string path = folder_ + "/" + named.name;
    const ShardSummary& s = to_.summary;
    auto shard = std::make_shared<const PackedShard>(path, s.vocab_size + (s.window > 0 ? 1 : 0));
    const PackedShardHeader& header = shard->header();
    if (header.tokenizer_sum != tokenizer_sum_)
      refuse_shards(path, "the shard was made with another tokenizer than the one beside it");
    if (header.window_tokens != (s.window > 0 ? s.window + 1 : 0))
      refuse_shards(path, "the shard's windows are not those of its folder");
    if (header.sum != named.sum) refuse_shards(path, "the shard is not the one that meta.json lists");
    to_.summary.file_bytes += shard->file_bytes();
    stored_bytes_ += header.tokens * header.token_bytes;
    to_.packed.push_back(shard);
    tokens.append([shard, cache = cache_](std::int64_t first, std::int64_t count,
                                          std::int32_t* out) { cache->read(*shard, first, count, out); },
                  header.tokens);
  }

  const std::string& folder_;
  std::int64_t version_;
  ShardFolder& to_;
  std::shared_ptr<FrameCache> cache_;
  std::uint64_t tokenizer_sum_;
  std::int64_t stored_bytes_ = 0;
};

}  // namespace

double ShardSummary::ratio() const {
  const std::int64_t plain = tokens() * (vocab_size <= 65536 ? 2 : 4);
  return plain == 0 ? 0 : static_cast<double>(file_bytes) / static_cast<double>(plain);
}

std::uint64_t tokenizer_sum_of(const std::string& folder) {
  const MappedFile file(folder + "/tokenizer.json");
  return XXH3_64bits(file.bytes().data(), file.size());
}

bool is_shard_folder(const std::string& path) {
  const std::string meta = path + "/meta.json";
  constexpr std::size_t most = 64 << 10;  // of a file that may be anybody's
  if (is_file(meta) && MappedFile(meta).text().substr(0, most).find(shards_format) != std::string_view::npos)
    return true;
  std::error_code unreadable;  // whoever opens the folder says so
  const std::filesystem::directory_iterator files(path, unreadable);
  return std::any_of(begin(files), end(files),
                     [](const auto& file) { return is_shard_name(file.path().filename().string()); });
}

bool belongs_to_shards(const std::string& folder, const std::string& name) {
  return is_shard_name(name) || name == "tokenizer.json" || (name == "meta.json" && is_shard_folder(folder));
}

json meta_of(const ShardSummary& s) {
  json meta{{"format", shards_format},
            {"version", shards_version},
            {"vocab_size", s.vocab_size},
            {"documents", s.documents},
            {"digest", s.digest},
            {"train", json_of(s.train, s.window > 0)},
            {"held_out", json_of(s.held_out, s.window > 0)}};
  if (s.window > 0) meta["window"] = s.window;
  return meta;
}

ShardSummary summary_of(const json& meta, const std::string& where) {
  if (json_string(meta, "format", where) != shards_format)
    refuse_shards(where, "not a folder of token shards", shards_format, json_string(meta, "format", where));
  const std::int64_t version = json_integer(meta, "version", where);
  if (version != 1 && version != shards_version)
    refuse_shards(where, "token shards of another version", "1 or " + std::to_string(shards_version),
                  std::to_string(version));
  ShardSummary s{.train = part_of(meta, "train", where),
                 .held_out = part_of(meta, "held_out", where),
                 .vocab_size = json_integer(meta, "vocab_size", where)};
  if (version == 1) return s;
  s.documents = json_integer(meta, "documents", where);
  s.digest = json_string(meta, "digest", where);
  if (meta.contains("window")) s.window = json_integer(meta, "window", where);
  if (s.window < 0 || s.window > (std::int64_t{1} << 31)) refuse_shards(where, "\"window\" is out of range");
  return s;
}

ShardFolder open_shards(const std::string& folder) {
  const std::string where = folder + "/meta.json";
  if (is_file(folder))
    throw Error(ErrorKind::input, {.what = "not a folder of token shards",
                                   .where = folder,
                                   .expected = "the folder that hone data build made",
                                   .found = "a file"});
  if (is_folder(folder) && !is_file(where))
    refuse_shards(folder, "a folder of token shards has a meta.json, and this one has none", {}, {});
  const json meta = read_json(where);
  ShardSummary summary = summary_of(meta, where);
  if (!is_file(folder + "/tokenizer.json"))
    refuse_shards(folder, "the token shards lack the tokenizer beside them, tokenizer.json");
  Tokenizer tokenizer = Tokenizer::open(folder);
  if (tokenizer.vocab_size() != summary.vocab_size)
    refuse_shards(folder, "the tokenizer is not that of the shards",
                  std::to_string(summary.vocab_size) + " ids", std::to_string(tokenizer.vocab_size()));
  const int width = token_bytes_for(summary.vocab_size);
  ShardFolder out{std::move(tokenizer), std::move(summary), Tokens(width), Tokens(width)};
  Opening opening(folder, json_integer(meta, "version", where), out);
  opening.part(out.summary.train, "train", out.train);
  opening.part(out.summary.held_out, "held_out", out.held_out);
  out.memory_bytes = opening.memory_bytes();
  return out;
}

std::string digest_of(const Tokens& train, const Tokens& held_out, std::int64_t window) {
  constexpr std::int64_t step = 1 << 16;
  Digest digest;
  std::string parts = std::to_string(train.size()) + "+" + std::to_string(held_out.size()) + ":";
  if (window > 0) parts += "cut at " + std::to_string(window) + ":";
  digest.add(std::as_bytes(std::span(parts)));
  std::vector<std::int32_t> ids(static_cast<std::size_t>(step));
  const auto add = [&](const Tokens& tokens) {
    for (std::int64_t first = 0; first < tokens.size(); first += step) {
      const auto now = std::span(ids).first(static_cast<std::size_t>(std::min(step, tokens.size() - first)));
      tokens.read(first, std::ssize(now), now.data());
      digest.add(std::as_bytes(now));
    }
  };
  add(train);
  add(held_out);
  return digest.hex();
}

}  // namespace hone
