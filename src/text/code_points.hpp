// Sets of code points, and maps from them.
#pragma once
#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hone {

inline constexpr std::uint32_t code_point_limit = 0x110000;

struct CodePointRange {
  std::uint32_t first, last;  // both included
};

class CodePointSet {
 public:
  CodePointSet() = default;
  explicit CodePointSet(std::vector<CodePointRange> ranges);  // in any order; they may overlap
  // `mask` has the bit of each GeneralCategory that counts.
  static CodePointSet of_categories(std::uint32_t mask);

  bool contains(std::uint32_t c) const { return c < low_.size() ? low_[c] : contains_high(c); }
  const std::vector<CodePointRange>& ranges() const { return ranges_; }  // sorted, apart

  CodePointSet operator|(const CodePointSet& other) const;
  CodePointSet operator&(const CodePointSet& other) const;
  CodePointSet operator^(const CodePointSet& other) const;
  CodePointSet operator~() const;  // within code_point_limit

 private:
  bool contains_high(std::uint32_t c) const;

  std::vector<CodePointRange> ranges_;
  std::bitset<0x800> low_;  // the alphabets of Europe and the Near East, without a search
};

// A value for each code point, T() where none was set; blocks of 256 that hold one are kept.
template <class T>
class CodePointMap {
 public:
  T operator[](std::uint32_t c) const { return values_[block_[c >> 8] + (c & 255)]; }
  void set(std::uint32_t c, T value) {
    if (block_[c >> 8] == 0) {
      block_[c >> 8] = static_cast<std::uint32_t>(values_.size());
      values_.resize(values_.size() + 256);
    }
    values_[block_[c >> 8] + (c & 255)] = value;
  }

 private:
  std::vector<std::uint32_t> block_ = std::vector<std::uint32_t>(code_point_limit >> 8);
  std::vector<T> values_ = std::vector<T>(256);  // the first block is that of nothing
};

// The numbers of a table in unicode_mappings_data.cpp, in order.
class PackedNumbers {
 public:
  explicit PackedNumbers(std::string_view table) : rest_(table) {}
  bool at_end() const { return rest_.empty(); }
  std::uint32_t next();
  std::int32_t next_signed();  // zigzag: 0, -1, 1, -2, ...

 private:
  std::string_view rest_;
};

}  // namespace hone
