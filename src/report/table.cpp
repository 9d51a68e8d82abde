// Aligned text tables.
#include <algorithm>
#include <cassert>

#include "hone/report.hpp"
#include "report/text.hpp"

namespace hone {
namespace {

// "12", "-1.5 %", ".5", "1.25 GiB"; and what stands for a number that is missing.
bool is_number(std::string_view cell) {
  if (cell == "-" || cell == "nan" || cell == "inf" || cell == "-inf") return true;
  if (!cell.empty() && (cell[0] == '-' || cell[0] == '+')) cell.remove_prefix(1);
  if (!cell.empty() && cell[0] == '.') cell.remove_prefix(1);
  return !cell.empty() && cell[0] >= '0' && cell[0] <= '9';
}

}  // namespace

Table::Table(std::vector<std::string> header) : header_(std::move(header)) {}

Table& Table::row(std::vector<std::string> cells) {
  assert(cells.size() <= header_.size());
  cells.resize(header_.size());
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
  return *this;
}

Table& Table::rule() {
  rows_.emplace_back();
  return *this;
}

std::string Table::to_string(int indent) const {
  const std::size_t columns = header_.size();
  std::vector<std::size_t> width(columns);
  std::vector<bool> right(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    width[c] = text_columns(header_[c]);
    bool any = false, all = true;
    for (const auto& r : rows_) {
      if (r.empty()) continue;
      width[c] = std::max(width[c], text_columns(r[c]));
      if (r[c].empty()) continue;
      any = true;
      all = all && is_number(r[c]);
    }
    right[c] = any && all;
  }

  std::string out;
  const auto end_line = [&out] {
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  };
  const auto put = [&](const std::vector<std::string>& cells) {
    out.append(static_cast<std::size_t>(indent), ' ');
    for (std::size_t c = 0; c < columns; ++c) {
      const std::string space(width[c] - text_columns(cells[c]), ' ');
      out += (c ? "  " : "") + (right[c] ? space + cells[c] : cells[c] + space);
    }
    end_line();
  };
  const auto put_rule = [&] {
    out.append(static_cast<std::size_t>(indent), ' ');
    for (std::size_t c = 0; c < columns; ++c) out += (c ? "  " : "") + std::string(width[c], '-');
    end_line();
  };
  put(header_);
  put_rule();
  for (const auto& r : rows_) r.empty() ? put_rule() : put(r);
  return out;
}

}  // namespace hone
