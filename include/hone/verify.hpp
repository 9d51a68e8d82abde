// A model against a reference run's numbers: logits, loss, every gradient, and ten losses of AdamW.
//
//   const auto report = hone::verify("gpt2-tiny", "golden.safetensors");
//   if (!report.ok) std::printf("%s is %g off\n", report.worst.c_str(), report.errors.gradients);
//
// The golden file holds out.logits, loss, losses, grad.NAME and the inputs: in.input_ids and in.labels
// (shifted inside) and, where rows are padded at their end, in.attention_mask of a language model; in.src,
// in.tgt, in.labels (not shifted) and, where some of the source is padding, in.src_padding (true at the end
// of a row) of an encoder-decoder.
#pragma once
#include <string>

#include "hone/error.hpp"
#include "hone/precision.hpp"

namespace hone {

// Errors are relative: of logits to the largest logit, of a gradient to its tensor's largest value or to 1e-3
// of the model's largest gradient, whichever is more.
struct VerifyErrors {
  double logits = 0, loss = 0, gradients = 0, losses = 0;
};

struct VerifyReport {
  bool ok = false;
  VerifyErrors errors{}, bounds{};
  std::string worst{};  // what used the largest share of its bound
};

struct VerifyOptions {
  Precision precision = Precision::f32;
  std::string isa{};  // empty: the best that this CPU has
  int threads = 0;
};

// The largest errors that pass. In f32 they leave room for sums of another order: logits 1e-4, loss 1e-5,
// gradients 1e-4, losses 1e-3. In bf16 (5e-2, 5e-3, 3e-1, 2e-2) and fp16 (1e-2, 1e-3, 1e-1, 5e-3) each node
// rounds by up to 2^-9 and 2^-12 of a value; found in models of all families: logits up to 1.7 % and 0.2 %,
// gradients up to 5.8 % and 0.5 %, but 14 % and 7 % behind a relu, whose gradient jumps where a rounding
// crosses zero.
HONE_API VerifyErrors verify_bounds(Precision precision);

HONE_API VerifyReport verify(const std::string& model_folder, const std::string& golden_file,
                             const VerifyOptions& options = {});

}  // namespace hone
