// Small models of the gpt2 family, and batches for them that are a pure function of their number.
#pragma once
#include "base/random.hpp"
#include "hone/train.hpp"
#include "temporary_folder.hpp"

namespace hone {

struct TinyGpt2 {
  std::int64_t layers = 2, heads = 3, width = 51, vocab_size = 67, context = 32;
  double dropout = 0.1;

  Model model() const {
    const TemporaryFolder folder;
    const auto number = [](auto n) { return std::to_string(n); };
    std::string dropouts;
    for (const char* key : {"embd_pdrop", "attn_pdrop", "resid_pdrop"})
      dropouts += ", \"" + std::string(key) + "\": " + number(dropout);
    return from_config(
        folder.write("config.json", R"({"model_type": "gpt2", "n_layer": )" + number(layers) +
                                        ", \"n_head\": " + number(heads) + ", \"n_embd\": " + number(width) +
                                        ", \"vocab_size\": " + number(vocab_size) +
                                        ", \"n_positions\": " + number(context) + dropouts + "}"));
  }
};

// Each id follows from the one before it, but for one in eight, whose place also has no label: something to
// learn.
inline Batch toy_batch(std::int64_t n, std::int64_t batch, std::int64_t seq, std::int64_t vocab_size) {
  Batch b{batch, seq, {}, {}};
  Stream stream(stream_key("toy", static_cast<std::uint64_t>(n)));
  const auto random = [&] {
    return static_cast<std::int32_t>(stream.below(static_cast<std::uint64_t>(vocab_size)));
  };
  for (std::int64_t s = 0; s < batch; ++s) {
    std::int32_t id = random();
    for (std::int64_t t = 0; t < seq; ++t) {
      b.ids.push_back(id);
      const bool surprise = stream.below(8) == 0;
      id = surprise ? random() : static_cast<std::int32_t>((std::int64_t{id} * 5 + 3) % vocab_size);
      b.labels.push_back(surprise ? -100 : id);
    }
  }
  return b;
}

}  // namespace hone
