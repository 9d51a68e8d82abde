#include "kernel/sparse.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

#include "base/types.hpp"
#include "kernel/coded.hpp"
#include "kernel/divide.hpp"

namespace hone::kernel {
namespace {

std::uint16_t column_at(const std::uint8_t* places, std::int64_t i) {
  std::uint16_t column;
  std::memcpy(&column, places + 2 * i, sizeof column);
  return column;
}

float floating_at(const void* values, Element type, std::int64_t i) {
  if (type == Element::f32) return static_cast<const float*>(values)[i];
  const std::uint16_t bits = static_cast<const std::uint16_t*>(values)[i];
  return type == Element::bf16 ? to_f32(bf16{bits}) : to_f32(f16{bits});
}
void put_floating(std::vector<std::uint8_t>& values, Element type, float x) {
  const std::uint16_t half = type == Element::bf16 ? to_bf16(x).bits : to_f16(x).bits;
  const auto* bytes = type == Element::f32 ? reinterpret_cast<const std::uint8_t*>(&x)
                                           : reinterpret_cast<const std::uint8_t*>(&half);
  values.insert(values.end(), bytes, bytes + kernel::bytes(type));
}

// Four bits, two to a byte: the first one low.
std::uint8_t nibble_at(const void* values, std::int64_t i) {
  return static_cast<std::uint8_t>(static_cast<const std::uint8_t*>(values)[i / 2] >> i % 2 * 4 & 15);
}
std::vector<std::uint8_t> in_nibbles(const std::vector<std::uint8_t>& codes) {
  std::vector<std::uint8_t> bytes((codes.size() + 1) / 2);
  for (std::size_t i = 0; i < codes.size(); ++i)
    bytes[i / 2] = static_cast<std::uint8_t>(bytes[i / 2] | codes[i] << i % 2 * 4);
  return bytes;
}

int code_bits(Element type) { return code_format(type).bits; }

std::int64_t ones(const std::uint8_t* mask, std::int64_t bytes) {
  std::int64_t n = 0;
  for (std::int64_t i = 0; i < bytes; ++i) n += std::popcount(mask[i]);
  return n;
}

}  // namespace

bool has_sparse_codes(Element type) {
  const auto format = find_code_format(type);
  return format && (format->bits == 8 || (format->bits == 4 && type != Element::q4_1));
}
std::uint8_t zero_code_of(Element type) { return static_cast<std::uint8_t>(1 << (code_bits(type) - 1)); }
std::int64_t value_bytes(Element type, std::int64_t count) {
  if (!is_blocks(type)) return count * bytes(type);
  return divide_up(count * code_bits(type), std::int64_t{8});
}

std::int64_t mask_row_bytes(std::int64_t K) { return divide_up(K, std::int64_t{8}); }
std::int64_t block_count(const SparseFormat& f, std::int64_t N) { return divide_up(N, f.block_rows); }
std::int64_t kept_in_mask(const SparseFormat& f, std::int64_t N, std::int64_t K, const std::uint8_t* mask) {
  return ones(mask, block_count(f, N) * mask_row_bytes(K));
}

SparseRows::SparseRows(const SparseFormat& format, std::int64_t N, std::int64_t K, const SparseParts& parts)
    : format_(format), N_(N), K_(K), parts_(parts) {
  const std::int64_t rows = block_count(format, N), bytes = mask_row_bytes(K);
  starts_.resize(static_cast<std::size_t>(rows) + 1);
  for (std::int64_t r = 0; r < rows; ++r)
    starts_[static_cast<std::size_t>(r) + 1] =
        format.form == SparseForm::csr
            ? parts.row_starts[r + 1]
            : starts_[static_cast<std::size_t>(r)] + ones(parts.places + r * bytes, bytes);
}

bool SparseRows::is_sound(const SparseFormat& f, std::int64_t N, std::int64_t K, const SparseParts& parts,
                          std::int64_t kept) {
  if (f.form == SparseForm::csr) {
    if (parts.row_starts[0] != 0 || parts.row_starts[N] != kept) return false;
    for (std::int64_t r = 0; r < N; ++r) {
      const std::int32_t first = parts.row_starts[r], last = parts.row_starts[r + 1];
      if (first > last || last > kept) return false;
      for (std::int32_t i = first; i < last; ++i)
        if (column_at(parts.places, i) >= K ||
            (i > first && column_at(parts.places, i) <= column_at(parts.places, i - 1)))
          return false;
    }
    return true;
  }
  const std::int64_t rows = block_count(f, N), bytes = mask_row_bytes(K);
  std::int64_t count = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::uint8_t* mask = parts.places + r * bytes;
    count += ones(mask, bytes);
    if (K % 8 != 0 && mask[bytes - 1] >> K % 8 != 0) return false;
    for (std::int64_t i = 0; f.form == SparseForm::two_of_four && i < bytes; ++i)
      if (std::popcount(mask[i] & 15u) > 2 || std::popcount(mask[i] >> 4 & 15u) > 2) return false;
  }
  return count == kept;
}

std::int64_t SparseRows::kept(std::int64_t row) const {
  const auto block = static_cast<std::size_t>(row / format_.block_rows);
  return starts_[block + 1] - starts_[block];
}

void SparseRows::columns(std::int64_t row, std::vector<std::int32_t>& to) const {
  to.clear();
  const std::int64_t block = row / format_.block_rows;
  if (format_.form == SparseForm::csr) {
    for (std::int64_t i = starts_[static_cast<std::size_t>(block)];
         i < starts_[static_cast<std::size_t>(block) + 1]; ++i)
      to.push_back(column_at(parts_.places, i));
    return;
  }
  const std::int64_t bytes = mask_row_bytes(K_);
  const std::uint8_t* mask = parts_.places + block * bytes;
  for (std::int64_t i = 0; i < bytes; ++i)
    for (unsigned m = mask[i]; m != 0; m &= m - 1)
      to.push_back(static_cast<std::int32_t>(8 * i + std::countr_zero(m)));
}

template <class Body>
void SparseRows::each_value(std::int64_t row, const Body& body) const {
  const auto block = static_cast<std::size_t>(row / format_.block_rows);
  for (std::int64_t i = starts_[block]; i < starts_[block + 1]; ++i)
    body(i * format_.block_rows + row % format_.block_rows);
}

void SparseRows::values(std::int64_t row, std::vector<float>& to) const {
  to.clear();
  each_value(row, [&](std::int64_t at) { to.push_back(floating_at(parts_.values, format_.values, at)); });
}
void SparseRows::codes(std::int64_t row, std::vector<std::uint8_t>& to) const {
  to.clear();
  const bool nibbles = code_bits(format_.values) == 4;
  each_value(row, [&](std::int64_t at) {
    to.push_back(nibbles ? nibble_at(parts_.values, at)
                         : static_cast<const std::uint8_t*>(parts_.values)[at]);
  });
}

void SparseRows::expand(std::int64_t row, std::span<float> to) const {
  std::vector<std::int32_t> places;
  columns(row, places);
  std::ranges::fill(to, 0.0f);
  if (!is_coded()) {
    std::vector<float> all;
    values(row, all);
    for (std::size_t i = 0; i < all.size(); ++i) to[static_cast<std::size_t>(places[i])] = all[i];
    return;
  }
  std::vector<std::uint8_t> all;
  codes(row, all);
  const int zero = zero_code_of(format_.values);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const float scale = to_f32(f16{scale_bits(row, places[i] / group())});
    to[static_cast<std::size_t>(places[i])] = scale * static_cast<float>(all[i] - zero);
  }
}

// --- out of dense rows ----------------------------------------------------------------------------------

SparseParts SparseBytes::parts() const {
  return {.places = places.data(),
          .row_starts = row_starts.empty() ? nullptr : row_starts.data(),
          .values = values.data(),
          .scales = scales.empty() ? nullptr : scales.data()};
}

namespace {

// Two of each four, where less are not zero: the first ones besides.
void fill_up(std::span<std::uint8_t> row) {
  for (std::size_t k = 0; k < row.size(); k += 4) {
    const auto four = row.subspan(k, std::min<std::size_t>(4, row.size() - k));
    auto missing = std::min<std::ptrdiff_t>(2, std::ssize(four)) - std::ranges::count(four, 1);
    for (std::size_t i = 0; i < four.size() && missing > 0; ++i)
      if (!four[i]) four[i] = 1, --missing;
  }
}

// put(element): the value of that element of the weight, or one for a row behind the last (-1).
template <class Kept, class Put>
void take_apart(const SparseFormat& f, std::int64_t N, std::int64_t K, SparseBytes& to, const Kept& is_kept,
                const Put& put) {
  const std::int64_t height = f.block_rows, bytes = mask_row_bytes(K);
  std::vector<std::uint8_t> row(static_cast<std::size_t>(K));
  if (f.form == SparseForm::csr) to.row_starts.push_back(0);
  for (std::int64_t b = 0; b < block_count(f, N); ++b) {
    const std::int64_t last = std::min(N, (b + 1) * height);
    for (std::int64_t k = 0; k < K; ++k) {
      row[static_cast<std::size_t>(k)] = 0;
      for (std::int64_t r = b * height; r < last; ++r) row[static_cast<std::size_t>(k)] |= is_kept(r * K + k);
    }
    if (f.form == SparseForm::two_of_four) fill_up(row);
    const std::size_t mask = to.places.size();
    if (f.form != SparseForm::csr) to.places.resize(mask + static_cast<std::size_t>(bytes));
    for (std::int64_t k = 0; k < K; ++k) {
      if (!row[static_cast<std::size_t>(k)]) continue;
      ++to.kept;
      if (f.form == SparseForm::csr)
        to.places.push_back(static_cast<std::uint8_t>(k & 255)),
            to.places.push_back(static_cast<std::uint8_t>(k >> 8));
      else
        to.places[mask + static_cast<std::size_t>(k / 8)] |= static_cast<std::uint8_t>(1 << k % 8);
      for (std::int64_t r = b * height; r < (b + 1) * height; ++r) put(r < N ? r * K + k : -1);
    }
    if (f.form == SparseForm::csr) to.row_starts.push_back(static_cast<std::int32_t>(to.kept));
  }
}

}  // namespace

SparseBytes sparse_from_values(const SparseFormat& f, std::int64_t N, std::int64_t K,
                               std::span<const float> values) {
  assert(!is_blocks(f.values));
  SparseBytes to;
  take_apart(
      f, N, K, to, [&](std::int64_t i) { return values[static_cast<std::size_t>(i)] != 0.0f; },
      [&](std::int64_t i) {
        put_floating(to.values, f.values, i < 0 ? 0 : values[static_cast<std::size_t>(i)]);
      });
  return to;
}

SparseBytes sparse_from_codes(const SparseFormat& f, std::int64_t N, std::int64_t K,
                              std::span<const std::uint8_t> codes, std::span<const float> scales) {
  assert(has_sparse_codes(f.values));
  SparseBytes to;
  const std::uint8_t zero = zero_code_of(f.values);
  take_apart(
      f, N, K, to, [&](std::int64_t i) { return codes[static_cast<std::size_t>(i)] != zero; },
      [&](std::int64_t i) { to.values.push_back(i < 0 ? zero : codes[static_cast<std::size_t>(i)]); });
  if (code_bits(f.values) == 4) to.values = in_nibbles(to.values);
  for (const float scale : scales) to.scales.push_back(to_f16(scale).bits);
  return to;
}

bool is_two_of_four(std::int64_t N, std::int64_t K, std::span<const std::uint8_t> is_kept) {
  for (std::int64_t r = 0; r < N; ++r)
    for (std::int64_t k = 0; k < K; k += 4) {
      const auto four = is_kept.subspan(static_cast<std::size_t>(r * K + k),
                                        static_cast<std::size_t>(std::min<std::int64_t>(4, K - k)));
      if (std::ranges::count(four, 0) + 2 < std::ssize(four)) return false;
    }
  return true;
}

}  // namespace hone::kernel
