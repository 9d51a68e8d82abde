#include "file/hash.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "file/mapped.hpp"

namespace hone {

struct Digest::State {
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> xxh3{XXH3_createState(), XXH3_freeState};
};

Digest::Digest() : state_(std::make_unique<State>()) { XXH3_128bits_reset(state_->xxh3.get()); }
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

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

std::string hash_text(std::string_view text) {
  Digest digest;
  digest.add(std::as_bytes(std::span(text)));
  return digest.hex();
}

std::string hash_file(const std::string& path) {
  const OffsetFile file(path);
  std::vector<std::byte> part(std::min(file.size(), std::size_t{1} << 20));
  Digest digest;
  for (std::size_t first = 0; first < file.size(); first += part.size()) {
    const auto bytes = std::span(part).first(std::min(part.size(), file.size() - first));
    file.read(first, bytes);
    digest.add(bytes);
  }
  return digest.hex();
}

}  // namespace hone
