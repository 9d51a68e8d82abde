// What kind of character a code point is, by tables that hone carries: of a fixed version of Unicode, so that
// a text has the same token ids on every machine. (A library of the system would bring its own: between two
// releases of Debian some 10,000 characters became letters.)
#pragma once
#include <cstdint>
#include <vector>

namespace hone {

extern const char* const unicode_data_version;       // "16.0.0", that of Hugging Face's tokenizers 0.23
extern const std::uint32_t unicode_category_runs[];  // unicode_data.cpp, ends with a 0

// clang-format off
enum class GeneralCategory : std::uint8_t {
  Lu, Ll, Lt, Lm, Lo, Mn, Mc, Me, Nd, Nl, No, Pc, Pd, Ps, Pe, Pi, Pf, Po, Sm, Sc, Sk, So, Zs, Zl, Zp, Cc, Cf, Cs, Co, Cn
};
// clang-format on

// What word patterns ask for: \p{L}, \p{N}, \s (Unicode's White_Space), and what is none of these.
enum class CharacterClass : std::uint8_t { letter, number, space, other };

// Blocks of 256 code points; those of one category throughout share a block, so that the whole takes 100 KB.
class UnicodeTable {
 public:
  static const UnicodeTable& get();

  GeneralCategory category(std::uint32_t c) const { return static_cast<GeneralCategory>(entry(c) >> 2); }
  CharacterClass character_class(std::uint32_t c) const { return static_cast<CharacterClass>(entry(c) & 3); }

 private:
  UnicodeTable();
  std::uint8_t entry(std::uint32_t c) const { return entries_[block_[c >> 8] + (c & 255)]; }

  std::uint32_t block_[0x1100]{};      // where a block begins in entries_; c is below 0x110000
  std::vector<std::uint8_t> entries_;  // category * 4 + class
};

}  // namespace hone
