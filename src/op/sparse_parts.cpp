#include "op/sparse_parts.hpp"

#include "ir/values.hpp"

namespace hone {

using kernel::SparseForm;

kernel::SparseFormat SparseIndex::format() const { return {form, block_rows, element_of(dtype)}; }

std::vector<SparsePartType> sparse_part_types(const SparseIndex& s, const Shape& shape) {
  const std::int64_t N = shape[0], K = shape[1];
  std::vector<SparsePartType> parts;
  const bool csr = s.form == SparseForm::csr;
  if (csr)
    parts.push_back({"columns", {{s.kept, 2}, DType::u8}});
  else
    parts.push_back({"mask", {{kernel::block_count(s.format(), N), kernel::mask_row_bytes(K)}, DType::u8}});
  const std::int64_t count = s.kept * s.block_rows,
                     value_bytes = kernel::value_bytes(s.format().values, count);
  if (is_blocks(s.dtype) && value_bytes != count)
    parts.push_back({"values", {{value_bytes}, DType::u8}});
  else
    parts.push_back({"values", {{s.kept, s.block_rows}, is_blocks(s.dtype) ? DType::u8 : s.dtype}});
  if (is_blocks(s.dtype))
    parts.push_back({"scales", {{N, kernel::blocks_of_row(s.format().values, K)}, DType::f16}});
  if (csr) parts.push_back({"row_starts", {{N + 1}, DType::i32}});
  return parts;
}

}  // namespace hone
