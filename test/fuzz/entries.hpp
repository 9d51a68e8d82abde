// What the fuzzers call, one function a format: any bytes either pass a reader's checks, and then what it
// gave out is sound, or are Error(input). Anything else (another exception, a trap, a bad read) is a bug of
// hone.
#pragma once
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "data/shards.hpp"
#include "file/json.hpp"
#include "file/safetensors.hpp"
#include "hone/error.hpp"
#include "hone/tokenizer.hpp"

namespace hone::fuzz {

using Bytes = std::span<const std::byte>;

inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void require(bool held) {
  if (!held) std::abort();
}

template <class F>
bool passes(F&& f) {
  try {
    f();
    return true;
  } catch (const Error& e) {
    require(e.kind() == ErrorKind::input);
    return false;
  }
}

inline bool safetensors(Bytes file) {
  return passes([&] {
    std::uint64_t bytes = 0;
    for (const SafetensorsEntry& entry : parse_safetensors(file, file.size(), "fuzz").entries) {
      bytes += entry.bytes;
      require(entry.offset >= 8 && entry.offset + entry.bytes <= file.size());
    }
    require(bytes <= file.size() - 8);
  });
}

inline bool json(Bytes file) {
  return passes([&] { parse_json(text_of(file), "fuzz").dump(); });
}

// A tokenizer that opens must bring back every text, and itself when saved and opened.
inline bool tokenizer_json(Bytes file) {
  return passes([&] {
    const Tokenizer tokenizer = Tokenizer::parse(text_of(file), "fuzz");
    const std::string saved = tokenizer.json();
    require(Tokenizer::parse(saved, "saved").json() == saved);
    const std::string text =
        "the king's\n \t<|endoftext|>  \xC3\xA9\xFF 12 " + std::string(text_of(file).substr(0, 200));
    if (tokenizer.kind() != TokenizerKind::character)
      require(tokenizer.decode(tokenizer.encode(text), true) == text);
    else
      passes([&] { tokenizer.encode(text); });
  });
}

// Once as it is, and once with its checksums put right, so that the checks behind them are reached.
inline bool shards(Bytes file) {
  const auto check = [](Bytes bytes) {
    return passes([&] {
      const ShardHeader header = check_shard(bytes, 1000, "fuzz");
      require(header.tokens * header.token_bytes ==
              static_cast<std::int64_t>(bytes.size() - shard_header_bytes));
    });
  };
  const bool passed = check(file);
  if (file.size() < shard_header_bytes) return passed;
  std::string mended(text_of(file));
  const std::uint64_t content =
      XXH3_64bits(mended.data() + shard_header_bytes, mended.size() - shard_header_bytes);
  std::memcpy(mended.data() + 24, &content, 8);
  const std::uint64_t header = XXH3_64bits(mended.data(), 56);
  std::memcpy(mended.data() + 56, &header, 8);
  check(std::as_bytes(std::span(mended.data(), mended.size())));
  return passed;
}

}  // namespace hone::fuzz
