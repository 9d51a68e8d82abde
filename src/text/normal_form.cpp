// Unicode's normal forms (Unicode Standard Annex 15), over tables of hone's own.
#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/utf8.hpp"
#include "text/unicode_mappings.hpp"

namespace hone {
namespace {

// Syllables of Hangul are computed: 19 leading consonants, 21 vowels, 27 trailing consonants or none.
constexpr std::uint32_t syllables = 0xAC00, leading = 0x1100, vowels = 0x1161, trailing = 0x11A7;
constexpr std::uint32_t leading_count = 19, vowel_count = 21, trailing_count = 28;
constexpr std::uint32_t syllable_count = leading_count * vowel_count * trailing_count;

using Characters = std::vector<std::uint32_t>;

// A byte that is no UTF-8, among code points.
constexpr std::uint32_t raw_byte = 0x80000000;

class NormalTables {
 public:
  static const NormalTables& get() {
    static const NormalTables tables;
    return tables;
  }

  std::uint8_t combining_class(std::uint32_t c) const { return c < code_point_limit ? classes_[c] : 0; }

  void decompose(std::uint32_t c, bool compatible, Characters& out) const {
    if (c >= code_point_limit) return out.push_back(c);
    if (c - syllables < syllable_count) {
      const std::uint32_t i = c - syllables, t = i % trailing_count;
      out.push_back(leading + i / (vowel_count * trailing_count));
      out.push_back(vowels + i / trailing_count % vowel_count);
      if (t > 0) out.push_back(trailing + t);
      return;
    }
    const Place place = compatible && compatible_[c].count > 0 ? compatible_[c] : canonical_[c];
    if (place.count == 0) return out.push_back(c);
    out.insert(out.end(), mappings_.begin() + place.begin, mappings_.begin() + place.begin + place.count);
  }

  // The one that both make, 0 for none.
  std::uint32_t composed(std::uint32_t a, std::uint32_t b) const {
    if (a - leading < leading_count && b - vowels < vowel_count)
      return syllables + ((a - leading) * vowel_count + (b - vowels)) * trailing_count;
    if (a - syllables < syllable_count && (a - syllables) % trailing_count == 0 && b > trailing &&
        b < trailing + trailing_count)
      return a + (b - trailing);
    const auto it = pairs_.find(key(a, b));
    return it == pairs_.end() ? 0 : it->second;
  }

 private:
  struct Place {
    std::uint16_t begin, count;  // in mappings_
  };
  static std::uint64_t key(std::uint32_t a, std::uint32_t b) { return std::uint64_t{a} << 32 | b; }

  NormalTables() {
    std::vector<std::pair<std::uint32_t, Characters>> composites;  // with what they decompose into
    std::uint32_t c = 0;
    for (PackedNumbers numbers(decomposition_table); !numbers.at_end();) {
      c += numbers.next();
      const std::uint32_t head = numbers.next();
      const Place place{static_cast<std::uint16_t>(mappings_.size()), static_cast<std::uint16_t>(head / 4)};
      for (std::uint32_t i = 0; i < place.count; ++i)
        mappings_.push_back(c + static_cast<std::uint32_t>(numbers.next_signed()));
      (head & 2 ? canonical_ : compatible_).set(c, place);
      if (head & 1) composites.emplace_back(c, Characters(mappings_.begin() + place.begin, mappings_.end()));
    }
    std::uint32_t end = 0;
    for (PackedNumbers numbers(combining_class_table); !numbers.at_end();) {
      const std::uint32_t first = end + numbers.next();
      end = first + numbers.next();
      const std::uint32_t value = numbers.next();
      for (std::uint32_t at = first; at < end; ++at) classes_.set(at, static_cast<std::uint8_t>(value));
    }
    find_pairs(composites);
  }

  // The table has full decompositions: the last character composes with what those before it make.
  void find_pairs(std::vector<std::pair<std::uint32_t, Characters>>& composites) {
    std::stable_sort(composites.begin(), composites.end(),
                     [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    for (const auto& [whole, parts] : composites) {
      std::uint32_t first = parts[0];
      for (std::size_t i = 1; i + 1 < parts.size() && first != 0; ++i) first = composed(first, parts[i]);
      if (parts.size() > 1 && first != 0) pairs_.emplace(key(first, parts.back()), whole);
    }
  }

  CodePointMap<Place> canonical_, compatible_;
  CodePointMap<std::uint8_t> classes_;
  Characters mappings_;
  std::unordered_map<std::uint64_t, std::uint32_t> pairs_;
};

// Marks behind a character in order of their classes, those of one class as they stood.
void reorder(Characters& text, const NormalTables& tables) {
  for (std::size_t i = 0; i < text.size();) {
    if (tables.combining_class(text[i]) == 0) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && tables.combining_class(text[end]) != 0) ++end;
    std::stable_sort(text.begin() + static_cast<std::ptrdiff_t>(i),
                     text.begin() + static_cast<std::ptrdiff_t>(end), [&](std::uint32_t a, std::uint32_t b) {
                       return tables.combining_class(a) < tables.combining_class(b);
                     });
    i = end;
  }
}

void compose(Characters& text, const NormalTables& tables) {
  std::size_t kept = 0, starter = text.size();  // none yet
  int last_class = -1;                          // of what was kept behind the starter
  for (const std::uint32_t c : text) {
    const int own = tables.combining_class(c);
    if (starter < text.size() && last_class < own)
      if (const std::uint32_t whole = tables.composed(text[starter], c)) {
        text[starter] = whole;
        continue;
      }
    if (own == 0) {
      starter = kept;
      last_class = -1;
    } else {
      last_class = own;
    }
    text[kept++] = c;
  }
  text.resize(kept);
}

}  // namespace

// ASCII composes with nothing before it, so that what stands between two such characters is apart.
std::string normalized(std::string_view text, NormalForm form) {
  const auto is_ascii = [&](std::size_t at) { return static_cast<unsigned char>(text[at]) < 0x80; };
  const NormalTables& tables = NormalTables::get();
  const bool compatible = form == NormalForm::nfkd || form == NormalForm::nfkc;
  std::string out;
  out.reserve(text.size());
  Characters part;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t begin = at;
    while (begin < text.size() && is_ascii(begin)) ++begin;
    if (begin < text.size() && begin > at) --begin;  // a mark may follow it
    out += text.substr(at, begin - at);
    part.clear();
    for (at = begin; at < text.size() && (at == begin || !is_ascii(at));) {
      const CodePoint c = code_point_at(text, at);
      tables.decompose(c.bytes > 0 ? c.value : raw_byte | c.value, compatible, part);
      at += c.bytes > 0 ? c.bytes : 1;
    }
    reorder(part, tables);
    if (form == NormalForm::nfc || form == NormalForm::nfkc) compose(part, tables);
    for (const std::uint32_t c : part)
      if (c & raw_byte)
        out += static_cast<char>(c);
      else
        append_utf8(out, c);
  }
  return out;
}

}  // namespace hone
