// A weight of which only some elements are kept, as files have it: where they are, and what they are.
//
//   const SparseParts parts{.places = mask, .values = codes, .scales = scales};
//   const SparseRows rows({SparseForm::bitmap, 1, Element::q8_g64}, N, K, parts);
//   std::vector<float> row(K);
//   rows.expand(7, row);  // zeros where nothing is kept
//
// It is the one place that says what the parts mean (doc/formats.md). Not for bound loops: what those read is
// made once, after loading (kernel/masked_product.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernel/element.hpp"

namespace hone::kernel {

// csr: each row's columns. bitmap: a bit for each element. two_of_four: the same, and of each four neighbours
// of a row two are kept. block: a bit for some rows of one column together, which are kept or not as one.
enum class SparseForm : std::uint8_t { csr, bitmap, two_of_four, block };

struct SparseFormat {
  SparseForm form = SparseForm::bitmap;
  std::int64_t block_rows = 1;    // of a block; 1 of the other forms
  Element values = Element::f32;  // a floating type, or one of codes about zero
  bool operator==(const SparseFormat&) const = default;
};

// Codes about zero of four or eight bits: q4_0, q8_0, and those in groups of 64 and 128, whose minima, where
// the dense type has them, are the zero code's.
bool has_sparse_codes(Element type);
// The code that means 0: 8 or 128.
std::uint8_t zero_code_of(Element type);
// Of so many values, one behind the other: two codes of four bits to a byte, the first one low.
std::int64_t value_bytes(Element type, std::int64_t count);

std::int64_t mask_row_bytes(std::int64_t K);
std::int64_t block_count(const SparseFormat& format, std::int64_t N);  // rows of blocks

// The columns of rows of blocks that a mask keeps.
std::int64_t kept_in_mask(const SparseFormat& format, std::int64_t N, std::int64_t K,
                          const std::uint8_t* mask);

struct SparseParts {
  // mask u8[rows of blocks][mask_row_bytes], column k at bit k % 8 of byte k / 8; csr: columns u16[kept]
  const std::uint8_t* places = nullptr;
  const std::int32_t* row_starts = nullptr;  // csr: [N + 1], of a row's columns and values
  // [kept][block_rows], rows of blocks in order, within one by column: of the format's floating type, or
  // codes u8 or two to a byte, an element is scale * (code - zero_code_of).
  const void* values = nullptr;
  const std::uint16_t* scales = nullptr;  // f16 [N][groups of a row], where there are codes
};

constexpr std::uint8_t zero_code = 128;  // of eight bits

class SparseRows {
 public:
  SparseRows(const SparseFormat& format, std::int64_t N, std::int64_t K, const SparseParts& parts);

  // Do the places lie in order within rows, and are there so many? What a file says is asked before it is
  // used.
  static bool is_sound(const SparseFormat&, std::int64_t N, std::int64_t K, const SparseParts&,
                       std::int64_t kept);

  std::int64_t rows() const { return N_; }
  std::int64_t columns() const { return K_; }
  bool is_coded() const { return is_blocks(format_.values); }
  std::int64_t group() const { return packing(format_.values).elements; }  // where coded
  std::int64_t kept(std::int64_t row) const;                               // elements of a row

  void expand(std::int64_t row, std::span<float> to) const;
  // The columns of what a row keeps, in order; and of each its value, or its code.
  void columns(std::int64_t row, std::vector<std::int32_t>& to) const;
  void values(std::int64_t row, std::vector<float>& to) const;  // of a floating type
  void codes(std::int64_t row, std::vector<std::uint8_t>& to) const;
  std::uint16_t scale_bits(std::int64_t row, std::int64_t group) const {
    return parts_.scales[row * blocks_of_row(format_.values, K_) + group];
  }

 private:
  template <class Body>
  void each_value(std::int64_t row, const Body& body) const;  // body(place in `values`)

  SparseFormat format_;
  std::int64_t N_, K_;
  SparseParts parts_;
  std::vector<std::int64_t> starts_;  // of each row of blocks: kept places before it
};

// --- out of dense rows ----------------------------------------------------------------------------------

// What a weight is taken apart to; of an unused part nothing.
struct SparseBytes {
  std::vector<std::uint8_t> places, values;
  std::vector<std::int32_t> row_starts;
  std::vector<std::uint16_t> scales;
  std::int64_t kept = 0;

  SparseParts parts() const;
};

// Of f32[N,K], each a number that the format's floating type holds. What is not zero is kept, in a block if
// any of its rows is; of four neighbours two, where less are not zero. two_of_four: see is_two_of_four.
SparseBytes sparse_from_values(const SparseFormat& format, std::int64_t N, std::int64_t K,
                               std::span<const float> values);
// Of codes[N,K] about their zero and scales f32[N, groups of a row].
SparseBytes sparse_from_codes(const SparseFormat& format, std::int64_t N, std::int64_t K,
                              std::span<const std::uint8_t> codes, std::span<const float> scales);
// Has of each four neighbours of a row at most two that are kept? is_kept[N,K].
bool is_two_of_four(std::int64_t N, std::int64_t K, std::span<const std::uint8_t> is_kept);

}  // namespace hone::kernel
