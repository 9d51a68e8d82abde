#include "file/hash.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>

#include "file/mapped.hpp"

namespace hone {

struct Digest::State {
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> xxh3{XXH3_createState(), XXH3_freeState};
};

Digest::Digest() : state_(std::make_unique<State>()) { XXH3_128bits_reset(state_->xxh3.get()); }
Digest::~Digest() = default;

void Digest::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_->xxh3.get(), bytes.data(), bytes.size());
}

std::string Digest::hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->xxh3.get());
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text;
}

// By parts of a mapping whose pages go back at once: a checkpoint of any size takes little memory.
std::string hash_file(const std::string& path) {
  constexpr std::size_t step = std::size_t{4} << 20;
  const MappedFile file(path);
  Digest digest;
  for (std::size_t first = 0; first < file.size(); first += step) {
    const std::size_t count = std::min(step, file.size() - first);
    digest.add(file.bytes().subspan(first, count));
    file.drop(first, count);
  }
  return digest.hex();
}

}  // namespace hone
