// Every code point, and words drawn from odd ones, against what Hugging Face's tokenizers do
// (test/data/unicode: made with tokenizers 0.23.3).
#include "text/unicode.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "file/json.hpp"
#include "text/split.hpp"

namespace hone {
namespace {

nlohmann::json reference() { return read_json(HONE_TEST_DATA "/unicode/reference.json"); }

// "Cc32 Zs1 ...": calls f with the name of each code point's run.
template <class F>
std::uint32_t for_each_code_point(const std::string& runs, const F& f) {
  std::istringstream in(runs);
  std::uint32_t c = 0;
  for (std::string run; in >> run;) {
    const auto digits = run.find_first_of("0123456789");
    const std::string name = run.substr(0, digits);
    for (int left = std::stoi(run.substr(digits)); left > 0; --left) f(c++, name);
  }
  return c;
}

TEST(Unicode, EveryCategoryIsThatOfTheReference) {
  const std::string names =
      "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn ";
  int wrong = 0;
  const auto end = for_each_code_point(reference()["categories"], [&](std::uint32_t c, const auto& name) {
    const auto mine = static_cast<std::size_t>(UnicodeTable::get().category(c));
    wrong += names.substr(3 * mine, 2) != name;
  });
  EXPECT_EQ(end, 0x110000u);
  EXPECT_EQ(wrong, 0);
}

TEST(Unicode, EveryCharacterIsOfTheWordsThatTheReferencePutsItIn) {
  const std::map<std::string, CharacterClass> classes{{"L", CharacterClass::letter},
                                                      {"N", CharacterClass::number},
                                                      {"S", CharacterClass::space},
                                                      {"O", CharacterClass::other}};
  int wrong = 0;
  const auto end = for_each_code_point(reference()["classes"], [&](std::uint32_t c, const auto& name) {
    wrong += UnicodeTable::get().character_class(c) != classes.at(name);
  });
  EXPECT_EQ(end, 0x110000u);
  EXPECT_EQ(wrong, 0);
}

std::vector<std::size_t> word_bytes(std::string_view text) {
  std::vector<std::size_t> bytes;
  WordCursor cursor(text);
  for (std::string_view word; cursor.next(word);) bytes.push_back(word.size());
  return bytes;
}

TEST(Words, AreThoseOfTheReference) {
  const auto cases = read_json(HONE_TEST_DATA "/unicode/words.json");
  ASSERT_EQ(cases.size(), 150u);
  for (const auto& c : cases)
    EXPECT_EQ(word_bytes(c["text"].get<std::string>()), c["bytes"].get<std::vector<std::size_t>>())
        << c["text"];
}

TEST(Words, ABrokenByteStandsAloneAndEndsWhatIsBefore) {
  const std::string text = std::string("ab \xFF\xC3 x  \xE5\xA4") + "y";
  EXPECT_EQ(word_bytes(text), (std::vector<std::size_t>{2, 1, 1, 1, 2, 2, 1, 1, 1}));
}

}  // namespace
}  // namespace hone
