#include "fuzz/entries.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hone::fuzz::checkpoints(std::as_bytes(std::span(data, size)));
  return 0;
}
