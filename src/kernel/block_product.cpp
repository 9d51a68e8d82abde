#include "kernel/block_product.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/types.hpp"
#include "kernel/divide.hpp"
#include "kernel/isa/block_product_isa.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t line = 64, most_columns = 65535;

std::int64_t unit_columns(bool pairs) { return pairs ? 2 : 1; }
std::int64_t units_of(std::int64_t columns, bool pairs) {
  return round_up(divide_up(columns, unit_columns(pairs)), units_together);
}
std::int64_t columns_bytes(std::int64_t units, bool pairs) {
  return round_up(units * unit_columns(pairs) * 2, line);
}
std::int64_t places_bytes(std::int64_t strips) {
  return round_up(strips * static_cast<std::int64_t>(sizeof(StripPlace)), line);
}
StripPlace* places_of(std::span<std::byte> stream) { return reinterpret_cast<StripPlace*>(stream.data()); }

std::uint16_t bf16_bits(float x) { return to_bf16(x).bits; }

void pack_strip(const SparseRows& rows, std::int64_t first, std::int64_t block_rows, bool pairs,
                const StripPlace& place, std::byte* stream) {
  const auto units = static_cast<std::int64_t>(place.units), step = unit_columns(pairs);
  std::vector<std::int32_t> columns;
  rows.columns(first, columns);
  auto* to_columns = reinterpret_cast<std::uint16_t*>(stream + place.at);
  std::fill_n(to_columns, units * step, static_cast<std::uint16_t>(rows.columns()));
  std::copy(columns.begin(), columns.end(), to_columns);
  std::byte* to = stream + place.at + columns_bytes(units, pairs);
  std::fill_n(to, units * block_rows * 4, std::byte{});
  std::vector<float> values;
  for (std::int64_t r = 0; r < std::min(block_rows, rows.rows() - first); ++r) {
    rows.values(first + r, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i) / step * block_rows + r;
      if (!pairs) {
        std::memcpy(to + 4 * at, &values[i], sizeof(float));
      } else {
        const std::uint16_t bits = bf16_bits(values[i]);
        std::memcpy(to + 4 * at + 2 * static_cast<std::int64_t>(i % 2), &bits, sizeof bits);
      }
    }
  }
}

std::int64_t x_bytes(const BlockLinear& p) {
  const std::int64_t rows = p.few ? p.product.M : round_up(p.product.M, block_tile);
  return round_up(rows * (p.product.K + 1) * (p.pairs ? 2 : 4), line);
}

}  // namespace

bool has_strips(const SparseFormat& format, std::int64_t K) {
  return format.form == SparseForm::block && (format.block_rows == 4 || format.block_rows == 16) &&
         !is_blocks(format.values) && K <= most_columns;
}

std::int64_t strip_count(std::int64_t block_rows, std::int64_t N) { return divide_up(N, block_rows); }

std::int64_t strips_bytes(std::int64_t block_rows, std::int64_t N, std::int64_t kept, bool pairs) {
  const std::int64_t strips = strip_count(block_rows, N), step = unit_columns(pairs),
                     columns = kept + strips * (units_together * step - 1);
  return places_bytes(strips) + round_up(columns * 2 + columns / step * block_rows * 4, line) +
         strips * 2 * line;
}

void begin_strips(const SparseRows& rows, std::int64_t block_rows, bool pairs, std::span<std::byte> stream) {
  const std::int64_t strips = strip_count(block_rows, rows.rows());
  std::int64_t at = places_bytes(strips);
  for (std::int64_t i = 0; i < strips; ++i) {
    const std::int64_t units = units_of(rows.kept(i * block_rows), pairs);
    places_of(stream)[i] = {static_cast<std::uint64_t>(at), static_cast<std::uint64_t>(units)};
    at = round_up(at + columns_bytes(units, pairs) + units * block_rows * 4, line);
  }
  std::fill(stream.begin() + at, stream.end(), std::byte{});
}

void pack_strips(const SparseRows& rows, std::int64_t block_rows, bool pairs, std::int64_t first,
                 std::int64_t count, std::span<std::byte> stream) {
  for (std::int64_t i = first; i < first + count; ++i)
    pack_strip(rows, i * block_rows, block_rows, pairs, places_of(stream)[i], stream.data());
}

std::int64_t scratch_bytes(const BlockLinear& p, int threads) {
  return x_bytes(p) + threads * block_task_bytes;
}

void run(const BlockLinear& p, Isa isa, ThreadPool& pool, void* scratch) {
  const BlockTable& table = block_table_of(isa);
  const Gemm& g = p.product;
  const BlockProduct product{.product = g,
                             .block_rows = p.block_rows,
                             .pairs = p.pairs,
                             .few = p.few,
                             .stream = static_cast<const std::byte*>(p.stream),
                             .first_strip = p.first_strip,
                             .x = scratch};
  auto* x = static_cast<std::byte*>(scratch);
  std::byte* own = x + x_bytes(p);
  const std::int64_t groups = divide_up(g.N, block_tile), tiles = divide_up(g.M, block_tile);
  if (p.few) {
    table.copy(g.a, g.a_stride, g.M, product, x);
  } else {
    pool.run(tiles, [&](std::int64_t tile, int) {
      const std::int64_t row = tile * block_tile;
      const In rows{static_cast<const std::byte*>(g.a.data) + row_bytes(g.a.type, row * g.a_stride),
                    g.a.type};
      table.transpose(rows, g.a_stride, std::min(block_tile, g.M - row), product,
                      x + row * (g.K + 1) * product.x_bytes());
    });
  }
  pool.run(groups * tiles, [&](std::int64_t task, int worker) {
    table.multiply(product, task % groups * block_tile, task / groups, own + worker * block_task_bytes);
  });
}

}  // namespace hone::kernel
