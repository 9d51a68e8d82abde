// Digests: XXH3-128 as 32 hex digits.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace hone {

// Of bytes that come one after the other.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void add(std::span<const std::byte> bytes);
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string hash_file(const std::string& path);

}  // namespace hone
