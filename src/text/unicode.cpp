#include "text/unicode.hpp"

#include <algorithm>
#include <unordered_map>

namespace hone {
namespace {

// White_Space is the separators and seven control characters.
CharacterClass class_of(std::uint32_t c, GeneralCategory category) {
  using enum GeneralCategory;
  if (category <= Lo) return CharacterClass::letter;
  if (category >= Nd && category <= No) return CharacterClass::number;
  const bool separator = category >= Zs && category <= Zp;
  const bool control = (c >= 0x9 && c <= 0xD) || c == 0x85;
  return separator || control ? CharacterClass::space : CharacterClass::other;
}

}  // namespace

const UnicodeTable& UnicodeTable::get() {
  static const UnicodeTable table;
  return table;
}

UnicodeTable::UnicodeTable() {
  constexpr std::uint32_t block_size = 256;
  std::unordered_map<std::uint8_t, std::uint32_t> uniform;  // blocks of one entry throughout
  std::uint8_t block[block_size];
  const std::uint32_t* run = unicode_category_runs;
  for (std::uint32_t c = 0, left = *run >> 5; c < 0x110000; ++c, --left) {
    if (left == 0) left = *++run >> 5;
    const auto category = static_cast<GeneralCategory>(*run & 31);
    block[c % block_size] =
        static_cast<std::uint8_t>((*run & 31) << 2 | static_cast<std::uint32_t>(class_of(c, category)));
    if (c % block_size + 1 < block_size) continue;
    const auto here = static_cast<std::uint32_t>(entries_.size());
    const bool same = std::all_of(block, block + block_size, [&](auto e) { return e == block[0]; });
    const auto [place, fresh] = same ? uniform.try_emplace(block[0], here) : std::pair{uniform.end(), true};
    block_[c / block_size] = same ? place->second : here;
    if (fresh) entries_.insert(entries_.end(), block, block + block_size);
  }
}

}  // namespace hone
