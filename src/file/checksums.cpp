#include "file/checksums.hpp"

#include <algorithm>

#include "file/atomic.hpp"
#include "file/hash.hpp"
#include "file/mapped.hpp"

namespace hone {

std::string checksum_lines(const Checksums& checksums) {
  std::string text;
  for (const auto& [name, digest] : checksums) text += digest + "  " + name + "\n";
  return text;
}

void refuse_altered(const std::string& path, const std::string& expected, const std::string& found) {
  throw Error(
      ErrorKind::input,
      {.what = "the checkpoint was altered or damaged", .where = path, .expected = expected, .found = found});
}

// The whole text is looked at again when all digests are known.
Checksums parse_checksums(const std::string& text, const std::string& where) {
  constexpr std::size_t hex = 32;
  Checksums checksums;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (end - at > hex + 2) checksums[text.substr(at + hex + 2, end - at - hex - 2)] = text.substr(at, hex);
    at = end + 1;
  }
  if (checksum_lines(checksums) != text) refuse_altered(where, "lines of DIGEST  FILE", "other text");
  return checksums;
}

Checksums read_checksums(const std::string& folder) {
  const std::string path = folder + "/" + checksums_file;
  return parse_checksums(read_file(path), path);
}

void require_checksum(const std::string& path, const std::string& digest) {
  if (const std::string found = hash_file(path); found != digest)
    refuse_altered(path, "digest " + digest, found);
}

}  // namespace hone
