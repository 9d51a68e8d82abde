// What a compressed weight has lost, brought back in part by a product of low rank beside it: W becomes
// W' + U V, W' in few bits or sparse, U [N,r] and V [r,K] in bf16.
//
//   const hone::Text train("train.txt", {.tokenizer = "model"});
//   const hone::Quantized q =
//       hone::quantize(hone::open("model"), &train, {.bits = 3, .correction = {.rank = 16}});
//   q.model.save("small");   // runs as it is; hone train --train corrections heals it
//
// U V is the best of its rank: with a text by what the products' results lose on it (hone/factorize.hpp says
// how they are weighed), else by the weights' own error. It costs r (N + K) numbers, and as many
// multiplications for each position.
#pragma once
#include <cstdint>
#include <optional>

#include "hone/model.hpp"

namespace hone {

struct CorrectionOptions {
  std::int64_t rank = 0;  // of each product but the head; 0: there are none
  // The model whose weights are come back to; none: the one that is compressed. A pruned model that is
  // quantized names the one before it was pruned, so that one correction is of both.
  std::optional<Model> of{};
};

}  // namespace hone
