#include "data/held_pairs.hpp"

#include "file/hash.hpp"

namespace hone {

void HeldPairs::append(const PairIds& pair, std::int64_t line) {
  const std::int64_t begin = ids_.size();
  places_.push_back({begin, begin + std::ssize(pair.source), line});
  ids_.append(pair.source);
  ids_.append(pair.target);
}

PairIds HeldPairs::read(std::int64_t i) const {
  PairIds pair;
  pair.source.resize(static_cast<std::size_t>(source_tokens(i)));
  pair.target.resize(static_cast<std::size_t>(target_tokens(i)));
  ids_.read(place(i).source, source_tokens(i), pair.source.data());
  ids_.read(place(i).target, target_tokens(i), pair.target.data());
  return pair;
}

std::int64_t HeldPairs::memory_bytes() const {
  return ids_.memory_bytes() + static_cast<std::int64_t>(places_.capacity() * sizeof(Place));
}

std::string HeldPairs::digest() const {
  Digest digest;
  for (std::int64_t i = 0; i < size(); ++i) {
    const std::int64_t lengths[] = {source_tokens(i), target_tokens(i)};
    const PairIds pair = read(i);
    digest.add(std::as_bytes(std::span(lengths)));
    digest.add(std::as_bytes(std::span(pair.source)));
    digest.add(std::as_bytes(std::span(pair.target)));
  }
  return digest.hex();
}

}  // namespace hone
