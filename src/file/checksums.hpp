// The digests of a folder's files, in a file beside them, as `xxh128sum -c` reads it.
#pragma once
#include <map>
#include <string>

namespace hone {

inline constexpr const char* checksums_file = "checksums";
using Checksums = std::map<std::string, std::string>;  // digests (file/hash.hpp) by the files' names

std::string checksum_lines(const Checksums& checksums);
// Error(input), opened by `where`, for other text.
Checksums parse_checksums(const std::string& text, const std::string& where);
// Of a folder. Error(input) where the file is missing or is other text.
Checksums read_checksums(const std::string& folder);
// Error(input) for a file that is not as its digest says. Reads all of it.
void require_checksum(const std::string& path, const std::string& digest);
[[noreturn]] void refuse_altered(const std::string& path, const std::string& expected,
                                 const std::string& found);

}  // namespace hone
