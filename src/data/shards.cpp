#include "data/shards.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/documents.hpp"
#include "file/atomic.hpp"
#include "file/json.hpp"
#include "hone/text.hpp"

namespace hone {
namespace {

using nlohmann::json;
constexpr char magic[8] = {'H', 'O', 'N', 'E', 'T', 'O', 'K', '\n'};
constexpr std::uint32_t version = 1;
constexpr const char* format_name = "hone token shards";
constexpr std::size_t check_bytes = 8 << 20;  // read, summed and given back at a time

// The header as it lies in the file, little-endian. `header_sum` covers what stands before it.
struct RawHeader {
  char magic[8];
  std::uint32_t version, token_bytes;
  std::uint64_t tokens, content_sum;
  std::uint64_t reserved[3];
  std::uint64_t header_sum;
};
static_assert(sizeof(RawHeader) == shard_header_bytes);

std::uint64_t sum_of_header(const RawHeader& header) {
  return XXH3_64bits(&header, offsetof(RawHeader, header_sum));
}

[[noreturn]] void refuse(const std::string& where, std::string what, std::string expected = {},
                         std::string found = {}) {
  throw Error(ErrorKind::input, {.what = std::move(what),
                                 .where = where,
                                 .expected = std::move(expected),
                                 .found = std::move(found),
                                 .hint = "make the shards anew"});
}

struct SumState {
  XXH3_state_t* state = XXH3_createState();
  SumState() { XXH3_64bits_reset(state); }
  ~SumState() { XXH3_freeState(state); }
  SumState(const SumState&) = delete;
  SumState& operator=(const SumState&) = delete;
};

template <class Token>
std::uint32_t largest(std::span<const std::byte> bytes) {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i + sizeof(Token) <= bytes.size(); i += sizeof(Token)) {
    Token token;
    std::memcpy(&token, bytes.data() + i, sizeof(Token));
    most = std::max<std::uint32_t>(most, token);
  }
  return most;
}

// Writes the shards of one part, a new file whenever one is full.
class ShardWriter {
 public:
  ShardWriter(const AtomicFolder& folder, std::string part, int token_bytes, std::int64_t shard_tokens)
      : folder_(folder), part_(std::move(part)), token_bytes_(token_bytes), shard_tokens_(shard_tokens) {}

  void append(std::span<const std::int32_t> ids) {
    while (!ids.empty()) {
      if (!file_) begin();
      const auto n = std::min<std::size_t>(ids.size(), static_cast<std::size_t>(shard_tokens_ - in_shard_));
      packed_.clear();
      pack_tokens(ids.first(n), token_bytes_, packed_);
      XXH3_64bits_update(sum_->state, packed_.data(), packed_.size());
      file_->write(packed_);
      in_shard_ += static_cast<std::int64_t>(n);
      ids = ids.subspan(n);
      if (in_shard_ == shard_tokens_) end();
    }
  }

  // Ends the last shard; what meta.json says of the part.
  json finish(std::int64_t text_bytes) {
    if (file_) end();
    return {{"tokens", tokens_}, {"text_bytes", text_bytes}, {"shards", names_}};
  }

  std::int64_t tokens() const { return tokens_; }
  std::int64_t shards() const { return static_cast<std::int64_t>(names_.size()); }

 private:
  void begin() {
    std::string number = std::to_string(names_.size());
    if (number.size() < 5) number.insert(0, 5 - number.size(), '0');
    names_.push_back(part_ + "-" + number + ".tok");
    file_ = std::make_unique<AtomicFile>(folder_.file(names_.back()));
    file_->write(std::array<std::byte, shard_header_bytes>{});  // patched in end()
    sum_ = std::make_unique<SumState>();
    in_shard_ = 0;
  }

  void end() {
    RawHeader header{};
    std::memcpy(header.magic, magic, sizeof magic);
    header.version = version;
    header.token_bytes = static_cast<std::uint32_t>(token_bytes_);
    header.tokens = static_cast<std::uint64_t>(in_shard_);
    header.content_sum = XXH3_64bits_digest(sum_->state);
    header.header_sum = sum_of_header(header);
    file_->patch(0, std::as_bytes(std::span(&header, 1)));
    file_->commit();
    file_.reset();
    tokens_ += in_shard_;
  }

  const AtomicFolder& folder_;
  std::string part_;
  int token_bytes_;
  std::int64_t shard_tokens_, in_shard_ = 0, tokens_ = 0;
  std::vector<std::string> names_;
  std::unique_ptr<AtomicFile> file_;
  std::unique_ptr<SumState> sum_;
  std::vector<std::byte> packed_;
};

RawHeader read_header(std::span<const std::byte> file, const std::string& where) {
  RawHeader header{};
  if (file.size() < sizeof header)
    refuse(where, "the shard ends inside its header", "64 bytes or more", std::to_string(file.size()));
  std::memcpy(&header, file.data(), sizeof header);
  if (std::memcmp(header.magic, magic, sizeof magic) != 0) refuse(where, "not a token shard");
  if (header.version != version)
    refuse(where, "a token shard of another version", std::to_string(version),
           std::to_string(header.version));
  if (header.header_sum != sum_of_header(header))
    refuse(where, "the shard was altered: its header fails its checksum");
  if (header.token_bytes != 2 && header.token_bytes != 4)
    refuse(where, "the width of a token is wrong", "2 or 4 bytes", std::to_string(header.token_bytes));
  const std::uint64_t content = file.size() - sizeof header;
  if (content % header.token_bytes != 0 || header.tokens != content / header.token_bytes)
    refuse(where, "the shard was cut short or added to", std::to_string(header.tokens) + " tokens",
           std::to_string(content) + " bytes");
  return header;
}

// Opens the shards of one part as meta.json lists them.
std::int64_t open_part(const json& meta, const char* part, const std::string& folder, std::int64_t vocab_size,
                       Tokens& tokens) {
  const std::string where = folder + "/meta.json";
  const json& entry = json_member(meta, part, where);
  const json& names = json_member(entry, "shards", where);
  if (!names.is_array()) refuse(where, "\"shards\" is not a list of file names");
  for (const json& name : names) {
    if (!name.is_string() || name.get<std::string>().find('/') != std::string::npos)
      refuse(where, "\"shards\" is not a list of file names");
    const MappedFile file(folder + "/" + name.get<std::string>());
    const ShardHeader header = check_shard(file.bytes(), vocab_size, file.path(),
                                           [&](auto first, auto count) { file.drop(first, count); });
    if (header.token_bytes != token_bytes_for(vocab_size))
      refuse(file.path(), "the shard is of another tokenizer");
    tokens.append(std::make_shared<const OffsetFile>(file.path()), shard_header_bytes, header.tokens);
  }
  if (tokens.size() != json_integer(entry, "tokens", where))
    refuse(where, std::string("the shards of \"") + part + "\" do not add up",
           std::to_string(json_integer(entry, "tokens", where)) + " tokens", std::to_string(tokens.size()));
  return json_integer(entry, "text_bytes", where);
}

}  // namespace

ShardHeader check_shard(std::span<const std::byte> file, std::int64_t vocab_size, const std::string& where,
                        const std::function<void(std::size_t, std::size_t)>& done) {
  const RawHeader header = read_header(file, where);
  SumState sum;
  std::uint32_t most = 0;
  for (auto left = file.subspan(sizeof header); !left.empty();) {
    const auto piece = left.first(std::min(left.size(), check_bytes));
    XXH3_64bits_update(sum.state, piece.data(), piece.size());
    most = std::max(most,
                    header.token_bytes == 2 ? largest<std::uint16_t>(piece) : largest<std::uint32_t>(piece));
    if (done) done(file.size() - left.size(), piece.size());
    left = left.subspan(piece.size());
  }
  if (XXH3_64bits_digest(sum.state) != header.content_sum)
    refuse(where, "the shard was altered: its tokens fail their checksum");
  if (header.tokens > 0 && most >= static_cast<std::uint64_t>(vocab_size))
    refuse(where, "the shard has a token outside the vocabulary", "below " + std::to_string(vocab_size),
           std::to_string(most));
  return {static_cast<std::int64_t>(header.tokens), static_cast<int>(header.token_bytes)};
}

bool is_shard_folder(const std::string& path) {
  return is_file(path + "/meta.json") && is_file(path + "/tokenizer.json");
}

ShardFolder open_shards(const std::string& folder) {
  const std::string where = folder + "/meta.json";
  const json meta = read_json(where);
  if (json_string(meta, "format", where) != format_name)
    refuse(where, "not a folder of token shards", format_name, json_string(meta, "format", where));
  if (json_integer(meta, "version", where) != version)
    refuse(where, "token shards of another version", std::to_string(version),
           std::to_string(json_integer(meta, "version", where)));
  Tokenizer tokenizer = Tokenizer::open(folder);
  const std::int64_t vocab_size = tokenizer.vocab_size();
  const int width = token_bytes_for(vocab_size);
  ShardFolder out{std::move(tokenizer), Tokens(width), Tokens(width)};
  out.train_bytes = open_part(meta, "train", folder, vocab_size, out.train);
  out.held_out_bytes = open_part(meta, "held_out", folder, vocab_size, out.held_out);
  return out;
}

ShardReport write_token_shards(const std::string& text_path, const Tokenizer& tokenizer,
                               const std::string& out_folder, const ShardOptions& options) {
  if (options.shard_tokens < 1)
    throw Error(ErrorKind::usage, {.what = "a shard must hold a token or more", .where = "shard_tokens"});
  Documents documents(text_path);
  if (tokenizer.kind() != TokenizerKind::byte || !options.any_bytes) documents.require_text();
  documents.split(tokenizer.kind() != TokenizerKind::byte);
  AtomicFolder folder(out_folder, "meta.json");
  const int width = token_bytes_for(tokenizer.vocab_size());
  ShardWriter train(folder, "train", width, options.shard_tokens);
  ShardWriter held_out(folder, "held_out", width, options.shard_tokens);
  documents.encode(tokenizer, false, [&](auto ids) { train.append(ids); });
  documents.encode(tokenizer, true, [&](auto ids) { held_out.append(ids); });
  json meta{{"format", format_name}, {"version", version}, {"token_bytes", width}};
  meta["vocab_size"] = tokenizer.vocab_size();
  meta["train"] = train.finish(documents.train_bytes());
  meta["held_out"] = held_out.finish(documents.held_out_bytes());
  tokenizer.save(folder.staging());
  write_file(folder.file("meta.json"), meta.dump(2) + "\n");
  folder.publish();
  return {train.tokens(), held_out.tokens(), train.shards() + held_out.shards(), documents.notes()};
}

}  // namespace hone
