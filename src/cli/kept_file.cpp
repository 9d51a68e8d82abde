#include "cli/kept_file.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "hone/error.hpp"

namespace hone::cli {

std::string kept_text(const std::string& path) {
  std::error_code unreadable;
  const auto is = std::filesystem::status(path, unreadable);
  if (!std::filesystem::exists(is)) return {};
  if (!std::filesystem::is_regular_file(is))
    throw Error(ErrorKind::input, {.what = "it is not a regular file", .where = path});
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace hone::cli
