#include "store/mask.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/number.hpp"
#include "hone/error.hpp"
#include "hone/nearest.hpp"

namespace hone {
namespace {

constexpr std::array all_patterns{Pattern{"unstructured"}, Pattern{"2:4", 1, 4}, Pattern{"4x1", 4},
                                  Pattern{"16x1", 16}};

// The `count` places whose scores are least; of equal ones the first.
std::vector<std::int64_t> least(std::span<const float> scores, std::int64_t count) {
  std::vector<std::int64_t> places(scores.size());
  std::iota(places.begin(), places.end(), std::int64_t{0});
  const auto before = [&](std::int64_t a, std::int64_t b) {
    const float x = scores[static_cast<std::size_t>(a)], y = scores[static_cast<std::size_t>(b)];
    return x != y ? x < y : a < b;
  };
  if (count < std::ssize(places))
    std::nth_element(places.begin(), places.begin() + count, places.end(), before);
  places.resize(static_cast<std::size_t>(count));
  return places;
}

// Mean scores of blocks [ceil(rows / height), columns].
std::vector<float> block_scores(std::span<const float> scores, std::int64_t rows, std::int64_t columns,
                                std::int64_t height) {
  const std::int64_t blocks = (rows + height - 1) / height;
  std::vector<float> means(static_cast<std::size_t>(blocks * columns));
  for (std::int64_t b = 0; b < blocks; ++b) {
    const std::int64_t last = std::min(rows, (b + 1) * height);
    for (std::int64_t c = 0; c < columns; ++c) {
      double sum = 0;
      for (std::int64_t r = b * height; r < last; ++r)
        sum += static_cast<double>(scores[static_cast<std::size_t>(r * columns + c)]);
      means[static_cast<std::size_t>(b * columns + c)] =
          static_cast<float>(sum / static_cast<double>(last - b * height));
    }
  }
  return means;
}

void drop_blocks(std::vector<std::uint8_t>& mask, std::span<const float> scores, std::int64_t rows,
                 std::int64_t columns, std::int64_t height, double sparsity) {
  const std::vector<float> means =
      height > 1 ? block_scores(scores, rows, columns, height) : std::vector<float>();
  const std::span<const float> of = height > 1 ? std::span<const float>(means) : scores;
  const auto count = static_cast<std::int64_t>(std::llround(sparsity * static_cast<double>(of.size())));
  for (const std::int64_t place : least(of, count)) {
    const std::int64_t block = place / columns, column = place % columns;
    for (std::int64_t r = block * height; r < std::min(rows, (block + 1) * height); ++r)
      mask[static_cast<std::size_t>(r * columns + column)] = 0;
  }
}

// Of the places that the mask drops, no more than a share of all: those that matter least.
void restore_beyond(std::vector<std::uint8_t>& mask, std::span<const float> scores, double sparsity) {
  std::vector<float> dropped;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < mask.size(); ++i)
    if (!mask[i]) dropped.push_back(scores[i]), places.push_back(i);
  const auto count = std::llround(sparsity * static_cast<double>(mask.size()));
  if (count >= std::ssize(places)) return;
  for (const std::size_t place : places) mask[place] = 1;
  for (const std::int64_t i : least(dropped, count)) mask[places[static_cast<std::size_t>(i)]] = 0;
}

// What is left of a row behind its last whole group loses half too, rounded down.
void drop_halves(std::vector<std::uint8_t>& mask, std::span<const float> scores, std::int64_t columns,
                 std::int64_t group) {
  for (std::size_t row = 0; row < scores.size(); row += static_cast<std::size_t>(columns))
    for (std::int64_t c = 0; c < columns; c += group) {
      const std::int64_t width = std::min(group, columns - c);
      const std::size_t first = row + static_cast<std::size_t>(c);
      drop_half(scores.subspan(first, static_cast<std::size_t>(width)), std::span(mask).subspan(first));
    }
}

}  // namespace

void drop_half(std::span<const float> scores, std::span<std::uint8_t> mask) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    std::size_t before = 0;  // that go sooner
    for (std::size_t j = 0; j < scores.size(); ++j)
      before += scores[j] < scores[i] || (scores[j] == scores[i] && j < i);
    if (before < scores.size() / 2) mask[i] = 0;
  }
}

const Pattern* find_pattern(const std::string& name) {
  const auto found = std::ranges::find_if(all_patterns, [&](const Pattern& p) { return name == p.name; });
  return found == all_patterns.end() ? nullptr : &*found;
}

std::vector<std::string> pattern_names() {
  std::vector<std::string> names;
  for (const Pattern& p : all_patterns) names.emplace_back(p.name);
  return names;
}

Sparsity sparsity_of(const std::string& pattern, double share, const std::vector<std::string>& known,
                     bool on_the_way) {
  const Pattern* const found = find_pattern(pattern);
  if (!found)
    throw Error(ErrorKind::usage, {.what = "no pattern '" + pattern + "'",
                                   .where = "pattern",
                                   .hint = "did you mean '" + nearest(pattern, known) + "'?"});
  const bool half = found->of > 0;
  if (share >= 0 && share < 1 && (!half || share == 0.5 || (on_the_way && share < 0.5)))
    return {*found, share};
  throw Error(ErrorKind::usage,
              {.what = "impossible value",
               .where = "sparsity",
               .expected = half ? "0.5: of each four weights two are zero" : "0 <= sparsity < 1",
               .found = to_text(share)});
}

std::vector<std::uint8_t> kept(std::span<const float> scores, std::int64_t rows, std::int64_t columns,
                               const Pattern& pattern, double sparsity) {
  std::vector<std::uint8_t> mask(scores.size(), 1);
  if (pattern.of > 0) {
    drop_halves(mask, scores, columns, pattern.of);
    restore_beyond(mask, scores, sparsity);
  } else {
    drop_blocks(mask, scores, rows, columns, pattern.rows, sparsity);
  }
  return mask;
}

}  // namespace hone
