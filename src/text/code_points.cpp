#include "text/code_points.hpp"

#include <algorithm>
#include <utility>

#include "text/unicode.hpp"

namespace hone {

CodePointSet::CodePointSet(std::vector<CodePointRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const CodePointRange& r : ranges)
    if (!ranges_.empty() && r.first <= ranges_.back().last + 1)
      ranges_.back().last = std::max(ranges_.back().last, r.last);
    else
      ranges_.push_back(r);
  for (const CodePointRange& r : ranges_)
    for (std::uint32_t c = r.first; c <= r.last && c < low_.size(); ++c) low_[c] = true;
}

CodePointSet CodePointSet::of_categories(std::uint32_t mask) {
  std::vector<CodePointRange> ranges;
  std::uint32_t first = 0;
  for (const std::uint32_t* run = unicode_category_runs; *run != 0; ++run) {
    const std::uint32_t end = first + (*run >> 5);
    if (mask >> (*run & 31) & 1) ranges.push_back({first, end - 1});
    first = end;
  }
  return CodePointSet(std::move(ranges));
}

bool CodePointSet::contains_high(std::uint32_t c) const {
  const auto it = std::upper_bound(ranges_.begin(), ranges_.end(), c,
                                   [](std::uint32_t value, const auto& r) { return value < r.first; });
  return it != ranges_.begin() && c <= std::prev(it)->last;
}

CodePointSet CodePointSet::operator|(const CodePointSet& other) const {
  std::vector<CodePointRange> both = ranges_;
  both.insert(both.end(), other.ranges_.begin(), other.ranges_.end());
  return CodePointSet(std::move(both));
}

CodePointSet CodePointSet::operator~() const {
  std::vector<CodePointRange> rest;
  std::uint32_t next = 0;
  for (const CodePointRange& r : ranges_) {
    if (r.first > next) rest.push_back({next, r.first - 1});
    next = r.last + 1;
  }
  if (next < code_point_limit) rest.push_back({next, code_point_limit - 1});
  return CodePointSet(std::move(rest));
}

CodePointSet CodePointSet::operator&(const CodePointSet& other) const { return ~(~*this | ~other); }

CodePointSet CodePointSet::operator^(const CodePointSet& other) const {
  return (*this & ~other) | (~*this & other);
}

std::uint32_t PackedNumbers::next() {
  constexpr std::string_view digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-";
  std::uint32_t number = 0;
  for (unsigned shift = 0; !rest_.empty(); shift += 5) {
    const auto digit = static_cast<std::uint32_t>(digits.find(rest_.front()));
    rest_.remove_prefix(1);
    number |= (digit & 31) << shift;
    if (digit < 32) break;
  }
  return number;
}

std::int32_t PackedNumbers::next_signed() {
  const std::uint32_t number = next();
  return static_cast<std::int32_t>(number >> 1) ^ -static_cast<std::int32_t>(number & 1);
}

}  // namespace hone
