#include "file/safetensors.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <numeric>

#include "temporary_folder.hpp"

namespace hone {
namespace {

std::string file_of(const std::string& header, std::size_t data_bytes) {
  std::string file(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(header.size() >> (8 * i));
  return file + header + std::string(data_bytes, '\1');
}

SafetensorsIndex parsed(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file.data(), file.size())), file.size(), "F");
}

std::string refused(const std::string& header, std::size_t data_bytes) {
  return error_of(ErrorKind::input, [&] { parsed(file_of(header, data_bytes)); });
}

void expect_refused(const std::string& header, std::size_t data_bytes, const char* why) {
  const std::string message = refused(header, data_bytes);
  EXPECT_NE(message.find(why), std::string::npos) << message;
  EXPECT_EQ(message.substr(0, 1), "F");
}

TEST(Safetensors, WhatIsWrittenIsReadInOrder) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const std::array<std::int64_t, 1> step{42};
  SafetensorsWriter out(
      path, {{"z", "I64", {1}}, {"none", "F32", {3, 0}}, {"a\"b", "F32", {2, 3}}, {"scalar", "F32", {}}},
      {{"format", "pt"}, {"note", "x"}});
  out.write("z", std::as_bytes(std::span(step)));
  out.write("a\"b", std::as_bytes(std::span(values).first(1)));
  out.write("a\"b", std::as_bytes(std::span(values).subspan(1)));
  out.write("scalar", std::as_bytes(std::span(values).last(1)));
  EXPECT_FALSE(is_file(path));
  out.commit();

  const SafetensorsFile file(path);
  ASSERT_EQ(file.entries().size(), 4u);
  EXPECT_EQ(file.entries()[0].name, "z");
  EXPECT_EQ(file.entries()[1].name, "none");
  EXPECT_EQ(file.entries()[2].name, "a\"b");
  EXPECT_EQ(file.at("a\"b").shape, (std::vector<std::int64_t>{2, 3}));
  std::vector<float> read(6);
  file.read(file.at("a\"b"), std::as_writable_bytes(std::span(read)));
  EXPECT_EQ(read, values);
  EXPECT_EQ(file.at("z").offset % 8, 0u);
  EXPECT_TRUE(file.at("scalar").shape.empty());
  EXPECT_EQ(file.at("none").bytes, 0u);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.find("absent"), nullptr);
  EXPECT_NE(error_of(ErrorKind::input, [&] { file.at("absent"); }).find("m.safetensors"), std::string::npos);
}

// Whoever holds a file open hears of it; nothing that is read is what nobody checked.
TEST(Safetensors, AFileThatIsCutShortOrWrittenToWhileItIsOpenIsAnError) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  const std::vector<float> values(5000, 1.0f);
  std::vector<float> read(values.size());
  const auto write = [&] {
    SafetensorsWriter out(path, {{"w", "F32", {5000}}});
    out.write("w", std::as_bytes(std::span(values)));
    out.commit();
  };
  const auto said = [&](const SafetensorsFile& file) {
    return error_of(ErrorKind::input,
                    [&] { file.read(file.at("w"), std::as_writable_bytes(std::span(read))); });
  };
  for (const std::uintmax_t size : {0, 7, 100, 4096, 20000}) {
    write();
    const SafetensorsFile file(path);
    std::filesystem::resize_file(path, size);
    EXPECT_NE(said(file).find("m.safetensors: the file was cut short while in use"), std::string::npos);
  }
  write();
  const SafetensorsFile file(path);
  std::filesystem::last_write_time(path,
                                   std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_NE(said(file).find("changed while in use"), std::string::npos);
  write();  // what hone's writers do replaces a file: whoever has the old one open keeps it
  const SafetensorsFile old(path);
  write();
  old.read(old.at("w"), std::as_writable_bytes(std::span(read)));
  EXPECT_EQ(read, values);
}

TEST(Safetensors, AFileWithoutTensorsIsFine) {
  const TemporaryFolder folder;
  SafetensorsWriter(folder.file("m"), {}, {}).commit();
  EXPECT_TRUE(SafetensorsFile(folder.file("m")).entries().empty());
}

TEST(Safetensors, EveryLieOfAHeaderIsRefusedWithTheTensor) {
  const auto one = [](const char* entry) { return std::string("{\"w\":") + entry + "}"; };
  EXPECT_EQ(parsed(file_of(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})"), 8)).entries.size(),
            1u);
  expect_refused(one(R"({"dtype":"F31","shape":[2],"data_offsets":[0,8]})"), 8, "tensor \"w\": the dtype");
  expect_refused(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), 8, "contradict");
  expect_refused(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})"), 7, "beyond the file");
  expect_refused(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})"), 9, "goes on");
  expect_refused(one(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})"), 12, "hole");
  expect_refused(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), 8, "begin <= end");
  expect_refused(one(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})"), 8, "data_offsets");
  expect_refused(one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), 8, "whole number");
  expect_refused(one(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), 8, "whole number");
  expect_refused(one(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]})"), 0,
                 "overflows");
  expect_refused(one(R"({"dtype":"F32","shape":[2]})"), 8, "data_offsets");
  expect_refused(one("7"), 8, "object");
  expect_refused(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
      6, "overlap");
  expect_refused(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
      2, "twice");
  expect_refused(R"({"__metadata__":{"a":1}})", 0, "metadata");
  expect_refused("[]", 0, "brace");
  expect_refused("{", 0, "line 1");
}

TEST(Safetensors, AHeaderLengthThatLiesIsRefused) {
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    std::string file(10, ' ');
    std::memcpy(file.data(), &length, 8);
    EXPECT_NE(error_of(ErrorKind::input, [&] { parsed(file); }).find("header"), std::string::npos);
  }
  for (std::size_t size = 0; size < 8; ++size)
    error_of(ErrorKind::input, [&] { parsed(std::string(size, '\0')); });
}

TEST(Safetensors, TheHeaderIsFilledUpWithSpacesOnly) {
  EXPECT_TRUE(parsed(file_of("{}   ", 0)).entries.empty());
  expect_refused("{}\n", 0, "byte 10: the header is filled up");
  expect_refused(" {}", 0, "brace");
  expect_refused(std::string("{}\0", 3), 0, "NUL");
  expect_refused(std::string("{}\0{\"x\":1}", 10), 0, "NUL");
}

TEST(Safetensors, APointerOfGitLfsIsNamed) {
  const std::string message = error_of(ErrorKind::input, [] {
    parsed("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
  });
  EXPECT_NE(message.find("git lfs pull"), std::string::npos) << message;
}

TEST(Safetensors, AnotherFileIsSaidToBeWhatItIs) {
  const auto said = [](const std::string& file) {
    return error_of(ErrorKind::input, [&] { parsed(file + std::string(100, '\1')); });
  };
  for (const auto& [file, name] :
       {std::pair("GGUF", "found a GGUF model"),
        {"PK\x03\x04", "found a ZIP archive"},
        {"\n<!DOCTYPE HTML>", "found a web page"},
        {"version https://git-lfs.github.com/spec/v1", "found a pointer of Git LFS"},
        {"\x80\x02}q", "found a pickle"}})
    EXPECT_NE(said(file).find(name), std::string::npos) << said(file);
  // A header whose length begins as a gzip archive does.
  std::string header = "{}";
  header.append(0x8b1f - header.size(), ' ');
  EXPECT_TRUE(parsed(file_of(header, 0)).entries.empty());
}

}  // namespace
}  // namespace hone
