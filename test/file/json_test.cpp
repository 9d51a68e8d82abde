#include "file/json.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "temporary_folder.hpp"

namespace hone {
namespace {

std::string refused(const std::string& text) {
  return error_of(ErrorKind::input, [&] { parse_json(text, "F"); });
}

TEST(Json, ErrorsNameFileLineAndColumn) {
  const std::string message = refused("{\n  \"a\": 1,\n  \"b\": oops\n}");
  EXPECT_EQ(message.substr(0, 20), "F, line 3, column 8:") << message;
  EXPECT_EQ(refused("").substr(0, 19), "F, line 1, column 1");
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(Json, RefusesWhatReadersDisagreeOn) {
  EXPECT_NE(refused("{\"a\": 1, \"a\": 2}").find("twice"), std::string::npos);
  EXPECT_NE(refused("{\"x\": {\"a\": 1, \"b\": {}, \"a\": 2}}").find("twice"), std::string::npos);
  refused("{\"a\": \"\xFF\"}");
  EXPECT_NE(refused(std::string(100000, '[')).find("too deeply"), std::string::npos);
  EXPECT_EQ(parse_json("[{\"a\": 1}, {\"a\": 2}]", "F").size(), 2u);
}

TEST(Json, MembersAreChecked) {
  const auto object = parse_json(R"({"n": 7, "s": "x", "f": 1.5, "big": 18446744073709551615})", "F");
  EXPECT_EQ(json_integer(object, "n", "F"), 7);
  EXPECT_EQ(json_string(object, "s", "F"), "x");
  for (const char* key : {"s", "f", "big", "absent"})
    error_of(ErrorKind::input, [&] { json_integer(object, key, "F"); });
  for (const char* key : {"n", "absent"}) error_of(ErrorKind::input, [&] { json_string(object, key, "F"); });
  error_of(ErrorKind::input, [] { json_member(nlohmann::json(3), "a", "F"); });
  error_of(ErrorKind::input, [] { read_json("no/such.json"); });
}

TEST(Json, WhatStandsBehindANulIsNotPassedOver) {
  const std::string text("{}\n\0{}", 6);
  EXPECT_EQ(error_of(ErrorKind::input, [&] { parse_json(text, "F"); }),
            "F, line 2, column 1: a NUL byte is no JSON");
}

TEST(Json, AnotherFileIsSaidToBeWhatItIs) {
  EXPECT_EQ(refused("version https://git-lfs.github.com/spec/v1\n").substr(0, 42),
            "F: not JSON: found a pointer of Git LFS (g");
  EXPECT_EQ(refused("<html>"),
            "F: not JSON: found a web page (download the file itself, not the page that shows it)");
  EXPECT_EQ(refused(std::string("\x02\0\0\0\0\0\0\0{}", 10)), "F: not JSON: found a safetensors file");
}

TEST(Json, ANumberThatNoDoubleHoldsIsMetByItsLine) {
  EXPECT_EQ(refused("{\n  \"a\": 1,\n  \"b\": 1e400\n}").substr(0, 20), "F, line 3, column 8:");
}

}  // namespace
}  // namespace hone
