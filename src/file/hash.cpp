#include "file/hash.hpp"

#include <xxhash.h>

#include <algorithm>
#include <memory>

#include "file/mapped.hpp"

namespace hone {

// By parts of a mapping whose pages go back at once: a checkpoint of any size takes little memory.
std::string hash_file(const std::string& path) {
  constexpr std::size_t step = std::size_t{4} << 20;
  const MappedFile file(path);
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  XXH3_128bits_reset(state.get());
  for (std::size_t first = 0; first < file.size(); first += step) {
    const std::size_t count = std::min(step, file.size() - first);
    XXH3_128bits_update(state.get(), file.bytes().data() + first, count);
    file.drop(first, count);
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text;
}

}  // namespace hone
