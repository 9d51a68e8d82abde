#include "hone/error.hpp"

#include <gtest/gtest.h>

namespace hone {
namespace {

using namespace std::string_literals;

TEST(Error, ControlCharactersAreShownAndNotObeyed) {
  EXPECT_EQ(printable("na\u00efve \u5927 (100 %)"), "na\u00efve \u5927 (100 %)");
  EXPECT_EQ(printable("a\x1b[2Jb\n\tc\x7f\0d"s), "a\\x1b[2Jb\\x0a\\x09c\\x7f\\x00d");
  EXPECT_EQ(printable("\u009b2J"), "\\xc2\\x9b2J");
  EXPECT_EQ(printable("caf\xe9 \xf0\x9f"), "caf\\xe9 \\xf0\\x9f");
}

TEST(Error, TheMessageIsOneLineWhateverAFileIsCalled) {
  const Error e(ErrorKind::input, {.what = "no such key", .where = "a\nb\0c"s, .found = "\x1b[1A"});
  EXPECT_STREQ(e.what(), "a\\x0ab\\x00c: no such key: found \\x1b[1A");
  EXPECT_EQ(e.text().where, "a\nb\0c"s);
}

}  // namespace
}  // namespace hone
