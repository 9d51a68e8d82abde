// What the fuzzers call, one function a format: any bytes either pass a reader's checks, and then what it
// gave out is sound, or are Error(input). Anything else (another exception, a trap, a bad read) is a bug of
// hone.
#pragma once
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "data/frame_cache.hpp"
#include "data/json_lines.hpp"
#include "data/raw_shard.hpp"
#include "file/checksums.hpp"
#include "file/gguf.hpp"
#include "file/json.hpp"
#include "file/safetensors.hpp"
#include "hone/chat.hpp"
#include "hone/error.hpp"
#include "hone/tokenizer.hpp"
#include "text/tokenizer_impl.hpp"
#include "train/checkpoint_state.hpp"

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

// Bytes as a file, for readers that take a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : fd_(::memfd_create("fuzz", 0)) {
    require(fd_ >= 0 && ::write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

// All that it gives out lies in the file, and keys can be read as whatever they are.
inline bool gguf(Bytes file) {
  return passes([&] {
    const GgufIndex index = parse_gguf(file, "fuzz");
    std::uint64_t bytes = 0;
    for (const GgufTensor& tensor : index.tensors) {
      bytes += tensor.bytes;
      require(tensor.offset >= 24 && tensor.offset + tensor.bytes <= file.size());
    }
    require(bytes <= file.size());
    const MemoryFile memory(text_of(file));
    const GgufFile opened(memory.path());
    for (const auto& item : opened.metadata()) {
      const auto& key = item.first;
      passes([&] { opened.texts(key); });
      passes([&] { opened.integers(key); });
      passes([&] { opened.numbers(key); });
      passes([&] { opened.number(key); });
    }
  });
}

inline bool json(Bytes file) {
  return passes([&] { parse_json(text_of(file), "fuzz").dump(); });
}

// A tokenizer that opens is itself when saved and opened, and gives a text that comes in pieces the ids of
// the whole, all of which have a text.
inline bool tokenizer_json(Bytes file) {
  return passes([&] {
    const Tokenizer tokenizer = Tokenizer::parse(text_of(file), "fuzz");
    const std::string saved = tokenizer.json();
    require(Tokenizer::parse(saved, "saved").json() == saved);
    const std::string text =
        "the king's\n \t<|endoftext|>  \xC3\xA9\xFF 12 " + std::string(text_of(file).substr(0, 200));
    for (const std::string& one : {text, as_utf8(text)})
      passes([&] {
        const auto ids = tokenizer.encode(one, true);
        tokenizer.decode(ids);
        std::vector<std::int32_t> parts;
        TextEncoder encoder(tokenizer,
                            [&](auto part) { parts.insert(parts.end(), part.begin(), part.end()); });
        encoder.begin("fuzz", 0);
        for (std::size_t at = 0; at < one.size(); at += 7) encoder.add(std::string_view(one).substr(at, 7));
        encoder.end();
        require(parts == tokenizer.encode(one) || tokenizer.impl().around.size() != 1 ||
                !tokenizer.impl().around[0].text);
      });
  });
}

// Any bytes as a text, by each make of tokenizer: ids or an error, and the same text in pieces and whole.
inline bool encoded_text(Bytes file) {
  static const std::vector<Tokenizer> makes = [] {
    std::vector<Tokenizer> all;
    for (const char* make : {"bert", "gpt2", "llama2", "llama3", "qwen", "smollm", "unigram"})
      all.push_back(Tokenizer::open(std::string(HONE_TEST_DATA "/tokenizers/") + make));
    return all;
  }();
  bool all = true;
  for (const Tokenizer& tokenizer : makes)
    all = passes([&] {
            const auto ids = tokenizer.encode(text_of(file), true);
            for (const bool specials : {false, true}) {
              TextDecoder decoder(tokenizer, specials);
              std::string text;
              for (const std::int32_t id : ids) text += decoder.add(id);
              require(text + decoder.finish() == tokenizer.decode(ids, specials));
            }
          }) &&
          all;
  return all;
}

// Read, and run on a conversation with tools: a text, or the place of what is wrong, within its bounds.
inline bool chat_template(Bytes file) {
  return passes([&] {
    const auto chat =
        ChatTemplate::parse(text_of(file), "fuzz", {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
    const RenderedChat text = chat.render_json(
        R"([{"role": "system", "content": "s"}, {"role": "user", "content": "é 1"},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"x": [1.5]}}}]}])",
        {.add_generation_prompt = true, .tools = R"([{"function": {"name": "f"}}])", .time = 1});
    for (const auto& [begin, end] : text.generated) require(begin <= end && end <= text.text.size());
  });
}

// Once as it is, and once with its checksums put right, so that the checks behind them are reached.
inline bool raw_shards(Bytes file) {
  const auto check = [](Bytes bytes) {
    return passes([&] {
      const RawShardHeader header = check_raw_shard(bytes, 1000, "fuzz");
      require(header.tokens * header.token_bytes ==
              static_cast<std::int64_t>(bytes.size() - raw_shard_header_bytes));
    });
  };
  const bool passed = check(file);
  if (file.size() < raw_shard_header_bytes) return passed;
  std::string mended(text_of(file));
  const std::uint64_t content =
      XXH3_64bits(mended.data() + raw_shard_header_bytes, mended.size() - raw_shard_header_bytes);
  std::memcpy(mended.data() + 24, &content, 8);
  const std::uint64_t header = XXH3_64bits(mended.data(), 56);
  std::memcpy(mended.data() + 56, &header, 8);
  check(std::as_bytes(std::span(mended.data(), mended.size())));
  return passed;
}

// As it is, and with the sums of header and index put right; every token that a shard gives out is in the
// vocabulary.
inline bool packed_shards(Bytes file) {
  constexpr std::size_t header_bytes = 80;
  const auto check = [](std::string_view bytes) {
    return passes([&] {
      const MemoryFile memory(bytes);
      const PackedShard shard(memory.path(), 256);
      FrameRoom room;
      std::int64_t tokens = 0;
      for (std::int64_t frame = 0; frame < shard.frames(); ++frame)
        tokens += std::ssize(shard.read_frame(frame, room));
      require(tokens == shard.header().tokens * shard.header().token_bytes);
    });
  };
  const bool passed = check(text_of(file));
  if (file.size() < header_bytes) return passed;
  std::string mended(text_of(file));
  std::uint64_t index_offset = 0;
  std::memcpy(&index_offset, mended.data() + 40, 8);
  if (index_offset <= mended.size()) {
    const std::uint64_t index = XXH3_64bits(mended.data() + index_offset, mended.size() - index_offset);
    std::memcpy(mended.data() + 48, &index, 8);
  }
  const std::uint64_t header = XXH3_64bits(mended.data(), header_bytes - 8);
  std::memcpy(mended.data() + header_bytes - 8, &header, 8);
  check(mended);
  return passed;
}

// A packed file as it is; and what lies behind its sums: a block of each kind of elements.
inline bool packed_files(Bytes file) {
  for (std::uint8_t kind = 0; is_elements(kind); ++kind) {
    std::vector<std::byte> block(bytes_of(static_cast<Elements>(kind)) * 500), room;
    unpack_planes(file, static_cast<Elements>(kind), block, room);
    if (file.size() > 32) unpack_planes(file.subspan(32), static_cast<Elements>(kind), block, room);
  }
  return passes([&] {
    const MemoryFile memory(text_of(file));
    const OffsetFile bytes(memory.path());
    const PackedFile packed(bytes);
    std::vector<std::byte> all(packed.size());
    packed.read(0, all);
  });
}

// The texts of a checkpoint: what is read is what it says, written again.
inline bool checkpoints(Bytes file) {
  const std::string text(text_of(file));
  passes([&] { require(checksum_lines(parse_checksums(text, "fuzz")) == text); });
  return passes([&] {
    const CheckpointState state = parse_checkpoint_state(text, "fuzz");
    const std::string again = checkpoint_state_text(state);
    require(checkpoint_state_text(parse_checkpoint_state(again, "fuzz")) == again);
  });
}

// A file of JSON lines, packed or not: texts come out, or the line at fault is named.
inline bool json_lines(Bytes file) {
  return passes([&] {
    const MemoryFile memory(text_of(file));
    LineReader lines(memory.path());
    for (std::string_view line; lines.next(line);) json_line_text(line, "text", lines.where());
  });
}

}  // namespace hone::fuzz
