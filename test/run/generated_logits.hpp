// What a generator computes behind some ids, by golden models.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "hone/generate.hpp"

namespace hone {

using Ids = std::vector<std::int32_t>;

inline Model golden_model(const std::string& family = "gpt2") {
  return open(HONE_TEST_DATA "/models/" + family);
}

inline Ids some_ids(std::int64_t count, std::int64_t vocab_size, std::uint64_t seed = 0) {
  Stream stream(stream_key("some ids", seed));
  Ids ids(static_cast<std::size_t>(count));
  for (auto& id : ids) id = static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(vocab_size)));
  return ids;
}

// ids: so many at a time.
inline std::vector<float> logits_behind(const Model& model, const GenerateOptions& options, const Ids& ids,
                                        std::size_t at_a_time) {
  Generator generator(GeneratePlan(model, options));
  for (std::span<const std::int32_t> rest(ids); !rest.empty();) {
    const std::size_t count = std::min(at_a_time, rest.size());
    generator.append(rest.first(count));
    rest = rest.subspan(count);
  }
  return {generator.logits().begin(), generator.logits().end()};
}

}  // namespace hone
