#include "file/packed_file.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "file/safetensors.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

std::string packed(std::string_view bytes, std::size_t at_once) {
  BlockPacker packer;
  std::vector<std::byte> out;
  const auto all = std::as_bytes(std::span(bytes));
  for (std::size_t at = 0; at < all.size(); at += at_once)
    packer.add(all.subspan(at, std::min(at_once, all.size() - at)),
               all.size() % 4 ? Elements::bytes : Elements::single, out);
  packer.finish(out);
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

std::string numbers(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i + 4 <= bytes; i += 4) {
    const float x = 0.02f * std::sin(static_cast<float>(i));
    std::memcpy(text.data() + i, &x, 4);
  }
  return text;
}

TEST(PackedFile, GivesEachPartBack) {
  const TemporaryFolder folder;
  for (const std::size_t bytes : {0, 1, 4, 1 << 20, (1 << 20) + 1, (3 << 20) + 6, (3 << 20) + 8}) {
    const std::string text = numbers(bytes);
    const std::string small = packed(text, 100'000);
    EXPECT_EQ(packed(text, std::size_t{5} << 20), small) << bytes;  // however it comes
    EXPECT_LE(small.size(), text.size() * 96 / 100 + 100);
    const OffsetFile file(folder.write("packed", small));
    const PackedFile back(file);
    ASSERT_EQ(back.size(), bytes);
    for (const std::size_t at : {std::size_t{0}, bytes / 3, bytes / 2}) {
      std::string part(bytes - at, '\0');
      back.read(at, std::as_writable_bytes(std::span(part)));
      EXPECT_TRUE(part == text.substr(at)) << bytes << " from " << at;
    }
  }
}

TEST(PackedFile, WhatIsCutShortIsRefused) {
  const TemporaryFolder folder;
  const std::string text = numbers((1 << 18) + 400), whole = packed(text, text.size());
  for (std::size_t size = 9; size < whole.size(); size += size < 60 || size + 60 > whole.size() ? 1 : 997) {
    const OffsetFile file(folder.write("packed", whole.substr(0, size)));
    std::string back(text.size(), '\0');
    error_of(ErrorKind::input, [&] {
      PackedFile cut(file);
      if (cut.size() != text.size()) throw Error(ErrorKind::input, {.what = "its size says so"});
      cut.read(0, std::as_writable_bytes(std::span(back)));
    });
  }
}

TEST(PackedFile, AByteThatIsAnotherIsRefused) {
  const TemporaryFolder folder;
  const std::string text = numbers((1 << 18) + 400), whole = packed(text, text.size());
  for (std::size_t at = 8; at < whole.size(); at += at < 200 || at + 200 > whole.size() ? 1 : 4999) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    const OffsetFile file(folder.write("packed", damaged));
    std::string back(text.size(), '\0');
    try {
      const PackedFile cut(file);
      if (cut.size() != text.size()) continue;
      cut.read(0, std::as_writable_bytes(std::span(back)));
      EXPECT_TRUE(back == text) << "byte " << at;  // bits between a stream's codes and its end
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::input);
    }
  }
}

TEST(PackedFile, OfTensorsIsReadAsTheyAre) {
  const TemporaryFolder folder;
  const std::string text = numbers(3 << 20);
  SafetensorsWriter out(folder.file("m"), {{"a", "F32", {1, 256 << 10}}, {"b", "F32", {512 << 10}}}, {},
                        {.packed = true});
  out.write("a", std::as_bytes(std::span(text)).first(1 << 20));
  out.write("b", std::as_bytes(std::span(text)).subspan(1 << 20));
  out.commit();
  const SafetensorsFile file(folder.file("m"));
  ASSERT_EQ(file.entries().size(), 2u);
  std::string back(2 << 20, '\0');
  file.read(file.at("b"), std::as_writable_bytes(std::span(back)));
  EXPECT_TRUE(back == text.substr(1 << 20));
  EXPECT_LT(read_whole(folder.file("m")).size(), text.size());
}

}  // namespace
}  // namespace hone
