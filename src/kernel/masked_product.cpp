#include "kernel/masked_product.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernel/coded.hpp"
#include "kernel/isa/masked_product_isa.hpp"
#include "kernel/isa/two_of_four_isa.hpp"
#include "kernel/panel_tasks.hpp"

namespace hone::kernel {
namespace {

constexpr std::int64_t unit = 32, step_columns = 4;

struct StreamShape {
  CodeFormat codes;
  std::int64_t groups, group_units, steps;
};
StreamShape shape_of(const StreamFormat& f, std::int64_t K) {
  const CodeFormat codes = code_format(f.type);
  const std::int64_t groups = divide_up(K, codes.group);
  return {codes, groups, codes.group / unit, groups * codes.group / step_columns};
}

TwosProduct twos_of(const StreamFormat& f, std::int64_t K) {
  const StreamShape s = shape_of(f, K);
  return {.bits = s.codes.bits,
          .has_minimum = s.codes.has_minimum,
          .groups = s.groups,
          .group_units = s.group_units};
}

// --- any of the elements -----------------------------------------------------------------------------------

// Room for a panel's codes: of four bits each step may leave half of its last byte.
std::int64_t code_bytes(const StreamShape& s, std::int64_t kept) {
  return s.codes.bits == 8 ? kept : divide_up(kept + s.steps, std::int64_t{2});
}
std::int64_t starts_bytes(std::int64_t N) { return (panel_count(N) + 1) * 8; }

std::uint64_t* starts_of(std::span<std::byte> stream) {
  return reinterpret_cast<std::uint64_t*>(stream.data());
}

// The rows of one panel, while it is written: each has its columns and codes, and how far it came.
struct PanelRows {
  std::vector<std::int32_t> columns[panel_rows];
  std::vector<std::uint8_t> codes[panel_rows];
  std::size_t next[panel_rows] = {};

  PanelRows(const SparseRows& rows, std::int64_t first) {
    for (std::int64_t r = 0; r < std::min(panel_rows, rows.rows() - first); ++r)
      rows.columns(first + r, columns[r]), rows.codes(first + r, codes[r]);
  }
  // put(column, code) for what row r keeps below a column.
  void take(int r, std::int64_t end, const auto& put) {
    for (; next[r] < columns[r].size() && columns[r][next[r]] < end; ++next[r])
      put(columns[r][next[r]], codes[r][next[r]]);
  }
};

void put_scales(const SparseRows& rows, std::int64_t first, std::int64_t group, std::uint8_t* to) {
  std::uint16_t scales[panel_rows] = {};
  for (std::int64_t r = 0; r < std::min(panel_rows, rows.rows() - first); ++r)
    scales[r] = rows.scale_bits(first + r, group);
  std::memcpy(to, scales, sizeof scales);
}

// The codes of four columns of all rows, behind `to`; their mask.
std::uint64_t put_step(PanelRows& panel, std::int64_t column, const CodeFormat& f, std::uint8_t*& to) {
  std::uint64_t mask = 0;
  std::vector<std::uint8_t> codes;
  for (int r = 0; r < panel_rows; ++r)
    panel.take(r, column + step_columns, [&](std::int64_t k, std::uint8_t code) {
      mask |= std::uint64_t{1} << (step_columns * r + k - column);
      codes.push_back(code);
    });
  if (f.bits == 8) {
    to = std::ranges::copy(codes, to).out;
    return mask;
  }
  if (codes.size() % 2 != 0) codes.push_back(0);
  for (std::size_t i = 0; i < codes.size(); i += 2)
    *to++ = static_cast<std::uint8_t>(codes[i] | codes[i + 1] << 4);
  return mask;
}

void pack_panel(const StreamShape& s, const SparseRows& rows, std::int64_t first,
                std::span<std::uint8_t> to) {
  PanelRows panel(rows, first);
  std::uint8_t* frame = to.data();
  std::uint8_t* codes = frame + masked_frame_bytes(s.groups, s.group_units);
  for (std::int64_t group = 0, column = 0; group < s.groups; ++group) {
    put_scales(rows, first, group, frame);
    frame += 32;
    for (const std::int64_t end = column + s.codes.group; column < end; column += step_columns, frame += 8) {
      const std::uint64_t mask = put_step(panel, column, s.codes, codes);
      std::memcpy(frame, &mask, sizeof mask);
    }
  }
  std::fill(codes, to.data() + to.size(), std::uint8_t{});
}

// --- two of four -------------------------------------------------------------------------------------------

// The number of a pair with these places, in order. Less than two are filled up: a code of zero is no harm.
int pair_number(int first, int second) {
  for (int pair = 0; pair < 6; ++pair)
    if (pair_places[pair][0] == first && pair_places[pair][1] == second) return pair;
  return 0;
}

// The four columns from `column` on of row r: their codes to `two`; the pair's number.
int take_four(PanelRows& panel, int r, std::int64_t column, int zero, std::uint8_t (&two)[2]) {
  std::vector<std::pair<int, std::uint8_t>> kept;
  panel.take(r, column + step_columns, [&](std::int64_t k, std::uint8_t code) {
    kept.emplace_back(static_cast<int>(k - column), code);
  });
  for (int place = 0; kept.size() < 2; ++place)
    if (kept.empty() || kept[0].first != place) kept.emplace_back(place, static_cast<std::uint8_t>(zero));
  std::ranges::sort(kept);
  two[0] = kept[0].second, two[1] = kept[1].second;
  return pair_number(kept[0].first, kept[1].first);
}

void pack_twos(const StreamShape& s, const TwosProduct& shape, const SparseRows& rows, std::int64_t first,
               std::uint8_t* at) {
  PanelRows panel(rows, first);
  std::fill_n(at, shape.bytes(), std::uint8_t{});
  const int zero = 1 << (s.codes.bits - 1);
  for (std::int64_t group = 0, column = 0; group < s.groups; ++group) {
    put_scales(rows, first, group, at);
    at += 32;
    for (std::int64_t u = 0; u < s.group_units; ++u, column += unit, at += shape.unit_bytes())
      for (int r = 0; r < panel_rows; ++r)
        for (int f = 0; f < 8; ++f) {
          std::uint8_t two[2];
          const int pair = take_four(panel, r, column + f * step_columns, zero, two);
          for (int bit = 0; bit < 3; ++bit) {
            const int place = 3 * f + bit;
            at[3 * r + place / 8] |= static_cast<std::uint8_t>((pair >> bit & 1) << place % 8);
          }
          const int step = f / 2, place = 4 * r + f % 2 * 2;
          std::uint8_t* to = at + 48 + (s.codes.bits == 8 ? step : step % 2) * 64 + place;
          for (int i = 0; i < 2; ++i)
            to[i] |=
                static_cast<std::uint8_t>(s.codes.bits == 8 ? two[i] ^ zero_code : two[i] << step / 2 * 4);
        }
  }
}

}  // namespace

StreamFormat stream_format(const SparseFormat& format) {
  return {format.values, format.form == SparseForm::two_of_four};
}

std::int64_t stream_bytes(const StreamFormat& f, std::int64_t N, std::int64_t K, std::int64_t kept) {
  if (f.two_of_four) return panel_count(N) * twos_of(f, K).bytes();
  const StreamShape s = shape_of(f, K);
  const std::int64_t frame = masked_frame_bytes(s.groups, s.group_units),
                     codes = s.codes.bits == 8 ? kept : kept / 2 + panel_count(N) * (s.steps / 2 + 1);
  return starts_bytes(N) + panel_count(N) * frame + codes + masked_slack;
}

void begin_stream(const StreamFormat& f, const SparseRows& rows, std::span<std::byte> stream) {
  if (f.two_of_four) return;
  const StreamShape s = shape_of(f, rows.columns());
  std::uint64_t* starts = starts_of(stream);
  std::int64_t at = starts_bytes(rows.rows());
  for (std::int64_t p = 0; p < panel_count(rows.rows()); ++p) {
    starts[p] = static_cast<std::uint64_t>(at);
    std::int64_t kept = 0;
    for (std::int64_t r = p * panel_rows; r < std::min(rows.rows(), (p + 1) * panel_rows); ++r)
      kept += rows.kept(r);
    at += masked_frame_bytes(s.groups, s.group_units) + code_bytes(s, kept);
  }
  starts[panel_count(rows.rows())] = static_cast<std::uint64_t>(at);
  std::fill(stream.begin() + at, stream.end(), std::byte{});
}

void pack_stream(const StreamFormat& f, const SparseRows& rows, std::int64_t first, std::int64_t count,
                 std::span<std::byte> stream) {
  const StreamShape s = shape_of(f, rows.columns());
  auto* bytes = reinterpret_cast<std::uint8_t*>(stream.data());
  const std::uint64_t* starts = starts_of(stream);
  const TwosProduct twos = twos_of(f, rows.columns());
  for (std::int64_t p = first; p < first + count; ++p)
    if (f.two_of_four)
      pack_twos(s, twos, rows, p * panel_rows, bytes + p * twos.bytes());
    else
      pack_panel(s, rows, p * panel_rows, {bytes + starts[p], bytes + starts[p + 1]});
}

std::int64_t scratch_bytes(const MaskedCoded& p, int threads) { return panel_scratch(p.product, threads); }

void run(const MaskedCoded& p, Isa isa, ThreadPool& pool, void* scratch) {
  const auto* stream = static_cast<const std::uint8_t*>(p.stream);
  TwosProduct twos = twos_of(p.format, p.a.K);
  if (p.format.two_of_four) {
    twos.product = p.product, twos.a = p.a, twos.panels = stream + p.first_panel * twos.bytes();
    return run_panel_tasks(
        p.product, twos.bytes(), pool, scratch,
        [&](std::int64_t first, std::int64_t count, std::int64_t row, std::int64_t rows, void* own) {
          twos_table_of(isa).multiply(twos, first, count, row, rows, own);
        });
  }
  const MaskedProduct product{.product = p.product,
                              .a = p.a,
                              .bits = twos.bits,
                              .has_minimum = twos.has_minimum,
                              .group_units = twos.group_units,
                              .stream = stream,
                              .first_panel = p.first_panel};
  // Tasks are cut by what a panel of half of the codes has: for one like it takes about as long.
  run_panel_tasks(p.product, panel_rows * p.a.K * twos.bits / 16, pool, scratch,
                  [&](std::int64_t first, std::int64_t count, std::int64_t row, std::int64_t rows,
                      void* own) { masked_table_of(isa).multiply(product, first, count, row, rows, own); });
}

}  // namespace hone::kernel
