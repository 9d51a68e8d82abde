#include "file/byte_stream.hpp"

#include <gtest/gtest.h>

#include <cstdint>

#include "packed_text.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

std::string all_of(const std::string& path) {
  ByteStream stream(path);
  std::string all;
  for (std::string_view piece = stream.next(); !piece.empty(); piece = stream.next()) {
    EXPECT_LE(piece.size(), ByteStream::piece_bytes);
    all += piece;
  }
  return all;
}

std::string numbers() {
  std::string text;
  for (std::int64_t i = 0; i < 200'000; ++i) text += std::to_string(i * 7919 % 100'003) + "\n";
  return text;
}

TEST(ByteStream, PackedFilesGiveWhatTheyHold) {
  const TemporaryFolder folder;
  const std::string text = numbers();
  EXPECT_EQ(all_of(folder.write("plain", text)), text);
  EXPECT_EQ(all_of(folder.write("a.gz", gzip_of(text))), text);
  EXPECT_EQ(all_of(folder.write("a.zst", zstd_of(text))), text);
  EXPECT_EQ(all_of(folder.write("b.gz", gzip_of(text) + gzip_of("") + gzip_of("more"))), text + "more");
  EXPECT_EQ(all_of(folder.write("b.zst", zstd_of(text) + zstd_of("") + zstd_of("more"))), text + "more");
  EXPECT_EQ(all_of(folder.write("empty", "")), "");
  EXPECT_EQ(all_of(folder.write("empty.gz", gzip_of(""))), "");
}

TEST(ByteStream, WhatIsCutShortOrDamagedIsRefusedByName) {
  const TemporaryFolder folder;
  for (const std::string& packed : {gzip_of(numbers()), zstd_of(numbers())}) {
    const auto refused = [&](const std::string& bytes, const char* words) {
      folder.write("text", bytes);
      const auto message = error_of(ErrorKind::input, [&] { all_of(folder.file("text")); });
      EXPECT_NE(message.find(folder.file("text")), std::string::npos) << message;
      EXPECT_NE(message.find(words), std::string::npos) << message;
    };
    for (const std::size_t size : {std::size_t{6}, packed.size() / 3, packed.size() - 1})
      refused(packed.substr(0, size), "cut short");
    refused(packed + "what is this", "damaged");
    std::string turned = packed;
    turned[packed.size() / 2] = static_cast<char>(turned[packed.size() / 2] ^ 4);
    refused(turned, "damaged");
  }
  const auto message = error_of(ErrorKind::input, [&] { ByteStream stream(folder.path()); });
  EXPECT_NE(message.find("it is a folder"), std::string::npos) << message;
}

}  // namespace
}  // namespace hone
