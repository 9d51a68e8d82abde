#include "file/hash.hpp"

#include <xxhash.h>

#include <cstdio>

#include "file/mapped.hpp"

namespace hone {

std::string hash_file(const std::string& path) {
  const MappedFile file(path);
  const XXH128_hash_t hash = XXH3_128bits(file.bytes().data(), file.bytes().size());
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text;
}

}  // namespace hone
