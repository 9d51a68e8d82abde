// A file's bytes from first to last, in pieces, and unpacked where gzip or Zstandard packed them: its first
// bytes say so, not its name. Memory does not grow with the file.
//
//   ByteStream stream("wiki.jsonl.zst");
//   for (std::string_view piece = stream.next(); !piece.empty(); piece = stream.next()) count(piece);
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

enum class Packing { none, gzip, zstd };
Packing packing_of(std::string_view head);

class ByteStream {
 public:
  // Error(input): no regular file, not readable.
  explicit ByteStream(std::string path);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // At most piece_bytes, which stay until the next call; empty at the end. Error(input) for what is damaged
  // or ends before it should.
  std::string_view next();
  static constexpr std::size_t piece_bytes = 256 << 10;

  const std::string& path() const { return path_; }
  Packing packing() const { return packing_; }
  std::size_t memory_bytes()
      const;  // taken by now; of a Zstandard file its window, up to 128 MiB, is the most

 private:
  struct Unpacker;
  std::string_view read();  // of the file as it lies there

  std::string path_;
  int fd_ = -1;
  Packing packing_ = Packing::none;
  std::vector<char> packed_, piece_;
  std::string_view left_;  // of packed_, not unpacked yet
  std::unique_ptr<Unpacker> unpacker_;
};

}  // namespace hone
