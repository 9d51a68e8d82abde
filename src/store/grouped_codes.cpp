#include "store/grouped_codes.hpp"

#include <algorithm>
#include <cassert>

#include "base/types.hpp"
#include "ir/values.hpp"
#include "kernel/coded.hpp"

namespace hone {
namespace {

std::int64_t groups_in(const CodeGroups& g, std::int64_t columns) {
  return (columns + g.group - 1) / g.group;
}
std::int64_t code_bytes(const CodeGroups& g, std::int64_t columns) { return (columns * g.bits + 7) / 8; }

// Codes of a row, one behind another, bits from the lowest on.
void put_codes(int bits, std::span<const std::uint8_t> codes, std::uint8_t* to) {
  unsigned waiting = 0;
  int count = 0;
  for (const std::uint8_t code : codes) {
    waiting |= unsigned{code} << count;
    for (count += bits; count >= 8; count -= 8, waiting >>= 8) *to++ = static_cast<std::uint8_t>(waiting);
  }
  if (count > 0) *to = static_cast<std::uint8_t>(waiting);
}
void get_codes(int bits, const std::uint8_t* from, std::span<std::uint8_t> codes) {
  unsigned waiting = 0;
  int count = 0;
  for (std::uint8_t& code : codes) {
    if (count < bits) waiting |= unsigned{*from++} << count, count += 8;
    code = static_cast<std::uint8_t>(waiting & ((1u << bits) - 1));
    waiting >>= bits, count -= bits;
  }
}

StoredWeight in_f16(const TensorType& type, std::span<const float> values) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(type.bytes()));
  narrow(values, DType::f16, bytes);
  return made_weight(type, std::move(bytes));
}

// A tree's rows, one at a time: codes, and a line for each group.
class Rows {
 public:
  explicit Rows(const WeightTree& tree)
      : groups_(tree.type.groups),
        columns_(tree.shape.last()),
        count_(static_cast<std::size_t>(groups_in(groups_, columns_))),
        bytes_(reinterpret_cast<const std::uint8_t*>(tree.find("codes")->bytes.data())),
        scale_bytes_(tree.find("scales")->bytes),
        minimum_bytes_(tree.find("minima") ? tree.find("minima")->bytes : std::span<const std::byte>()),
        codes_(static_cast<std::size_t>(columns_)),
        scales_(count_),
        minima_(count_) {}

  void read(std::int64_t r) {
    get_codes(groups_.bits, bytes_ + r * code_bytes(groups_, columns_), codes_);
    const std::size_t row = count_ * sizeof(f16), at = static_cast<std::size_t>(r) * row;
    widen(scale_bytes_.subspan(at, row), DType::f16, scales_);
    if (!minimum_bytes_.empty()) return widen(minimum_bytes_.subspan(at, row), DType::f16, minima_);
    const auto zero = static_cast<float>(1 << (groups_.bits - 1));
    std::ranges::transform(scales_, minima_.begin(), [=](float scale) { return -zero * scale; });
  }

  void values(std::span<float> to) const {
    for (std::size_t c = 0; c < codes_.size(); ++c) {
      const std::size_t g = c / static_cast<std::size_t>(groups_.group);
      to[c] = scales_[g] * static_cast<float>(codes_[c]) + minima_[g];
    }
  }
  // Blocks of a type that has no minima are those of codes about zero.
  void pack(DType blocks, std::span<std::byte> to) {
    const std::int64_t block = block_elements(blocks);
    block_scales_.resize(static_cast<std::size_t>((columns_ + block - 1) / block));
    block_minima_.resize(block_scales_.size());
    for (std::size_t b = 0; b < block_scales_.size(); ++b) {
      const auto g = static_cast<std::size_t>(static_cast<std::int64_t>(b) * block / groups_.group);
      block_scales_[b] = scales_[g], block_minima_[b] = minima_[g];
    }
    kernel::pack_codes(element_of(blocks), codes_, block_scales_, block_minima_, to);
  }

 private:
  CodeGroups groups_;
  std::int64_t columns_;
  std::size_t count_;  // of groups in a row
  const std::uint8_t* bytes_;
  std::span<const std::byte> scale_bytes_, minimum_bytes_;
  std::vector<std::uint8_t> codes_;
  std::vector<float> scales_, minima_, block_scales_, block_minima_;
};

}  // namespace

DType coded_dtype(int bits, std::int64_t group, bool about_zero) {
  auto element = about_zero ? kernel::coded_type(bits, group, false) : std::nullopt;
  if (!element) element = kernel::coded_type(bits, group, bits != 8);
  assert(element);
  for (std::size_t i = 0; i < dtype_count; ++i)
    if (const auto dtype = static_cast<DType>(i); is_blocks(dtype) && element_of(dtype) == *element)
      return dtype;
  assert(false);
  return DType::f32;
}

DType type_of_groups(const CodeGroups& groups, std::int64_t columns, bool about_zero) {
  DType best = DType::f32;
  for (const std::int64_t block : {128, 64, 32}) {
    if (groups.group % block != 0 && groups.group < columns) continue;
    const DType blocks = coded_dtype(groups.bits, block, about_zero);
    if (best == DType::f32 || row_bytes(blocks, columns) <= row_bytes(best, columns)) best = blocks;
  }
  return best;
}

std::vector<TreePartType> grouped_part_types(const CodeGroups& groups, const Shape& shape, bool about_zero) {
  const Shape lines{shape[0], groups_in(groups, shape[1])};
  std::vector<TreePartType> parts{{"codes", {{shape[0], code_bytes(groups, shape[1])}, DType::u8}},
                                  {"scales", {lines, DType::f16}}};
  if (!about_zero) parts.push_back({"minima", {lines, DType::f16}});
  return parts;
}

namespace {

StoredWeight code_rows(const TensorType& type, int bits, std::span<const std::uint8_t> codes,
                       std::int64_t K) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(type.bytes()));
  const std::int64_t row = type.shape[1];
  for (std::int64_t r = 0; r < type.shape[0]; ++r)
    put_codes(bits, codes.subspan(static_cast<std::size_t>(r * K), static_cast<std::size_t>(K)),
              reinterpret_cast<std::uint8_t*>(bytes.data()) + r * row);
  return made_weight(type, std::move(bytes));
}

}  // namespace

std::shared_ptr<const WeightTree> grouped_codes(const CodeGroups& groups, const Shape& shape,
                                                std::span<const std::uint8_t> codes,
                                                std::span<const float> scales,
                                                std::span<const float> minima) {
  const std::int64_t K = shape[1];
  const bool about_zero = minima.empty();
  auto made = std::make_shared<WeightTree>(
      WeightTree{.type = {.dtype = type_of_groups(groups, K, about_zero), .groups = groups}, .shape = shape});
  for (const TreePartType& part : grouped_part_types(groups, shape, about_zero))
    made->parts.push_back({part.name, part.name == "codes"    ? code_rows(part.type, groups.bits, codes, K)
                                      : part.name == "scales" ? in_f16(part.type, scales)
                                                              : in_f16(part.type, minima)});
  return made;
}

void expand_grouped(const WeightTree& tree, std::span<std::byte> whole) {
  const DType dtype = tree.type.dtype;
  const auto row = static_cast<std::size_t>(row_bytes(dtype, tree.shape.last()));
  Rows rows(tree);
  for (std::int64_t r = 0; r < tree.shape[0]; ++r) {
    rows.read(r);
    const auto to = whole.subspan(static_cast<std::size_t>(r) * row, row);
    if (is_blocks(dtype))
      rows.pack(dtype, to);
    else
      rows.values({reinterpret_cast<float*>(to.data()), static_cast<std::size_t>(tree.shape.last())});
  }
}

}  // namespace hone
