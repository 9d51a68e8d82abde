#include "kernel/coded_product.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

#include "base/types.hpp"
#include "kernel/coded.hpp"
#include "kernel/panel_tasks.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t unit = 32;

PanelShape shape_of(Element type, std::int64_t K) {
  const CodeFormat f = code_format(type);
  return {.bits = f.bits,
          .zero = f.zero,
          .has_minimum = f.has_minimum,
          .groups = divide_up(K, f.group),
          .group_units = f.group / unit};
}

void put_f16(std::uint8_t* to, float x) {
  const std::uint16_t bits = to_f16(x).bits;
  std::memcpy(to, &bits, sizeof bits);
}

// The four codes of one row at step `step` of a unit (PanelShape), all at once: none reaches the next byte.
void put_step(int bits, int step, const std::uint8_t* codes, std::uint8_t* row_at) {
  const auto put = [row_at](int at, std::uint32_t four) {
    std::uint32_t there;
    std::memcpy(&there, row_at + at, sizeof there);
    there |= four;
    std::memcpy(row_at + at, &there, sizeof there);
  };
  std::uint32_t four;
  std::memcpy(&four, codes, sizeof four);
  if (bits == 8) return put(64 * step, four);
  if (bits == 4) return put(step % 4 * 64, four << step / 4 * 4);
  put(step / 4 * 64, (four & 0x03030303u) << step % 4 * 2);
  if (bits == 3) put(128, (four >> 2 & 0x01010101u) << step);
}

}  // namespace

bool has_panels(Element type) {
  const auto format = find_code_format(type);
  return format && (format->bits <= 4 || format->bits == 8);  // as put_step and the loops know them
}
std::int64_t panel_count(std::int64_t N) { return divide_up(N, panel_rows); }
std::int64_t panel_bytes(Element type, std::int64_t N, std::int64_t K) {
  return panel_count(N) * shape_of(type, K).bytes();
}

void pack_panels(In blocks, std::int64_t N, std::int64_t K, std::int64_t first, std::int64_t count,
                 std::span<std::byte> to) {
  const PanelShape shape = shape_of(blocks.type, K);
  const auto row_size = static_cast<std::size_t>(row_bytes(blocks.type, K));
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(filled_up(blocks.type, K)));
  std::vector<float> scales(static_cast<std::size_t>(shape.groups)), minima(scales.size());
  auto* panel = reinterpret_cast<std::uint8_t*>(to.data()) + first * shape.bytes();
  std::fill_n(panel, count * shape.bytes(), std::uint8_t{});
  for (std::int64_t row = first * panel_rows; row < std::min(N, (first + count) * panel_rows); ++row) {
    const auto* from = static_cast<const std::byte*>(blocks.data) + static_cast<std::size_t>(row) * row_size;
    unpack_codes(blocks.type, {from, row_size}, codes, scales, minima);
    const int in_panel = static_cast<int>(row % panel_rows);
    std::uint8_t* at = panel + (row / panel_rows - first) * shape.bytes();
    const std::uint8_t* code = codes.data();
    for (std::int64_t g = 0; g < shape.groups; ++g) {
      put_f16(at + 2 * in_panel, scales[static_cast<std::size_t>(g)]);
      if (shape.has_minimum) put_f16(at + 32 + 2 * in_panel, minima[static_cast<std::size_t>(g)]);
      std::uint8_t* unit_at = at + (shape.has_minimum ? 64 : 32);
      for (std::int64_t u = 0; u < shape.group_units; ++u, unit_at += shape.unit_bytes())
        for (int step = 0; step < 8; ++step, code += 4)
          put_step(shape.bits, step, code, unit_at + 4 * in_panel);
      at += shape.group_bytes();
    }
  }
}

void code_rows(In x, std::int64_t width, std::int64_t stride, std::int64_t rows, const RowCodes& to, Isa isa,
               ThreadPool& pool) {
  constexpr std::int64_t task_codes = 16384;  // some microseconds
  const PanelTable& table = panel_table_of(isa);
  const std::int64_t some = std::max<std::int64_t>(1, task_codes / to.K);
  if (rows <= some) return table.code_rows(x, width, stride, 0, rows, to);
  pool.run(divide_up(rows, some), [&](std::int64_t task, int) {
    table.code_rows(x, width, stride, task * some, std::min(some, rows - task * some), to);
  });
}

std::int64_t scratch_bytes(const CodedProduct& p, int threads) { return panel_scratch(p.product, threads); }

void run(const CodedProduct& p, Isa isa, ThreadPool& pool, void* scratch) {
  const PanelTable& table = panel_table_of(isa);
  const PanelProduct product{.product = p.product,
                             .a = p.a,
                             .shape = shape_of(p.type, p.a.K),
                             .panels = static_cast<const std::uint8_t*>(p.panels)};
  run_panel_tasks(p.product, product.shape.bytes(), pool, scratch,
                  [&](std::int64_t first, std::int64_t count, std::int64_t row, std::int64_t rows,
                      void* own) { table.multiply(product, first, count, row, rows, own); });
}

}  // namespace hone::kernel
