#include "kernel/masked_product.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernel/panel_tasks.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t unit = 32, step_columns = 4, steps_a_unit = unit / step_columns;

// What a panel has beside its codes.
std::int64_t frame_bytes(std::int64_t K, std::int64_t group) {
  return divide_up(K, group) * (32 + group / unit * unit_mask_bytes);
}
std::int64_t starts_bytes(std::int64_t N) { return (panel_count(N) + 1) * 8; }

std::uint64_t* starts_of(std::span<std::byte> stream) {
  return reinterpret_cast<std::uint64_t*>(stream.data());
}

// The rows of one panel, while its stream is written: each has its columns and codes, and how far it came.
struct PanelRows {
  std::vector<std::int32_t> columns[panel_rows];
  std::vector<std::uint8_t> codes[panel_rows];
  std::size_t next[panel_rows] = {};

  PanelRows(const SparseRows& rows, std::int64_t first) {
    for (std::int64_t r = 0; r < std::min(panel_rows, rows.rows() - first); ++r)
      rows.columns(first + r, columns[r]), rows.codes(first + r, codes[r]);
  }
  // The codes of four columns of all rows, behind `to`; their mask.
  std::uint64_t put_step(std::int64_t column, std::uint8_t*& to) {
    std::uint64_t mask = 0;
    for (int r = 0; r < panel_rows; ++r)
      for (; next[r] < columns[r].size() && columns[r][next[r]] < column + step_columns; ++next[r]) {
        mask |= std::uint64_t{1} << (step_columns * r + columns[r][next[r]] - column);
        *to++ = codes[r][next[r]] ^ zero_code;
      }
    return mask;
  }
};

void pack_panel(const SparseRows& rows, std::int64_t first, std::uint8_t* to) {
  PanelRows panel(rows, first);
  const std::int64_t valid = std::min(panel_rows, rows.rows() - first);
  for (std::int64_t column = 0; column < rows.columns();) {
    std::uint16_t scales[panel_rows] = {};
    for (std::int64_t r = 0; r < valid; ++r) scales[r] = rows.scale_bits(first + r, column / rows.group());
    std::memcpy(to, scales, sizeof scales);
    to += sizeof scales;
    for (const std::int64_t end = column + rows.group(); column < end;) {
      std::uint8_t* masks = to;
      to += unit_mask_bytes;
      for (int step = 0; step < steps_a_unit; ++step, column += step_columns) {
        const std::uint64_t mask = panel.put_step(column, to);
        std::memcpy(masks + 8 * step, &mask, sizeof mask);
      }
    }
  }
}

}  // namespace

std::int64_t masked_bytes(std::int64_t N, std::int64_t K, std::int64_t group, std::int64_t kept) {
  return starts_bytes(N) + panel_count(N) * frame_bytes(K, group) + kept + masked_slack;
}

void begin_stream(const SparseRows& rows, std::span<std::byte> stream) {
  std::uint64_t* starts = starts_of(stream);
  const std::int64_t frame = frame_bytes(rows.columns(), rows.group());
  auto at = static_cast<std::uint64_t>(starts_bytes(rows.rows()));
  for (std::int64_t p = 0; p < panel_count(rows.rows()); ++p) {
    starts[p] = at;
    at += static_cast<std::uint64_t>(frame);
    for (std::int64_t r = p * panel_rows; r < std::min(rows.rows(), (p + 1) * panel_rows); ++r)
      at += static_cast<std::uint64_t>(rows.kept(r));
  }
  starts[panel_count(rows.rows())] = at;
  std::fill(stream.begin() + static_cast<std::ptrdiff_t>(at), stream.end(), std::byte{});
}

void pack_masked(const SparseRows& rows, std::int64_t first, std::int64_t count,
                 std::span<std::byte> stream) {
  const std::uint64_t* starts = starts_of(stream);
  for (std::int64_t p = first; p < first + count; ++p)
    pack_panel(rows, p * panel_rows, reinterpret_cast<std::uint8_t*>(stream.data()) + starts[p]);
}

std::int64_t scratch_bytes(const MaskedCoded& p, int threads) { return panel_scratch(p.product, threads); }

void run(const MaskedCoded& p, Isa isa, ThreadPool& pool, void* scratch) {
  const MaskedTable& table = masked_table_of(isa);
  const MaskedProduct product{.product = p.product,
                              .a = p.a,
                              .group_units = p.group / unit,
                              .stream = static_cast<const std::uint8_t*>(p.stream),
                              .first_panel = p.first_panel};
  // Tasks are cut by what a dense panel would have: for one like it takes about as long.
  run_panel_tasks(p.product, panel_rows * p.a.K / 2, pool, scratch,
                  [&](std::int64_t first, std::int64_t count, std::int64_t row, std::int64_t rows,
                      void* own) { table.multiply(product, first, count, row, rows, own); });
}

}  // namespace hone::kernel
