// Weights in few bits: whole-number codes with a scale, and a minimum, for each group of a row.
//
//   const hone::Model model = hone::open("model");
//   const hone::Text text("train.txt", {.tokenizer = "model"});
//   const hone::Quantized small = hone::quantize(model, &text, {.method = "gptq", .bits = 4, .group = 64});
//   small.model.save("small");  // hone::Compression saves the tokenizer too, and says what it cost
//
// Quantized are the matrices of products, and the table of tokens with the head; norms and biases stay as
// they are. Methods: rtn rounds each weight to the nearest code, hqq finds the codes' places by the weights
// of each group (Badri and Shaji, 2023), and neither needs a text; gptq makes each error good by the weights
// that are not rounded yet (arXiv 2210.17323), awq rounds channels with large inputs finer (arXiv
// 2306.00978). Both see each layer as the quantized layers before it leave it. refined goes on behind gptq: a
// short training against the model itself chooses among neighbouring codes.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hone/calibration.hpp"
#include "hone/compress.hpp"
#include "hone/correction.hpp"
#include "hone/model.hpp"
#include "hone/precision.hpp"
#include "hone/text.hpp"

namespace hone {

// How codes go on learning behind gptq, by the method "refined".
struct RefineOptions {
  std::int64_t steps = 250, batch = 4, seq = 256;
  float lr = 2e-4f;
  float temperature = 1,
        alpha = 0.8f;  // as DistillLoss has them: the model's share of the loss, beside the text's
  std::optional<Precision> precision{};  // none: bf16 where this CPU has products in it, else f32
  struct Step {
    std::int64_t step = 0, steps = 0;
    double loss = 0;
    std::int64_t tokens = 0;
  };
  std::function<void(const Step&)> progress{};
};

inline constexpr std::int64_t whole_row = -1;  // as a group

struct QuantizeOptions {
  std::string method = "rtn";  // of quantize_methods()
  // 2, 3, 4 or 8; what lies between is a mix, in which products whose results suffer most have more.
  double bits = 4;
  // Weights of a row that share a scale; whole_row: all of it. Products compute from codes in groups of 32 or
  // a multiple; others are kept in so few bits, and read as f32. A row's last group may be shorter, but of
  // 32, 64 and 128, which are blocks: of a width that the group does not divide rows take whichever of these,
  // at most as wide, makes the fewest bytes, and their last one is filled up.
  std::int64_t group = 64;
  // For a GGUF file, which has 4 and 8 bits, and a scale for each 32: groups are whole numbers of these, and
  // rows whose width is no multiple of 32 stay in bf16.
  bool whole_groups = false;
  // Codes around zero, as 8 bits always are: zero is one of them. None: where a fifth or more of the
  // products' weights is zero, so that a pruned model's zeros stay, and a note says so.
  std::optional<bool> symmetric{};
  int table_bits = 8;  // of the table of tokens and of the head: 2, 3, 4 or 8; 0: they stay as they are
  // Bytes that the files of weights may take, headers too, and of a GGUF file all of it: a mix that fits, in
  // place of `bits` and `table_bits`; 0: no such bound.
  std::int64_t size_bytes = 0;
  // How many those of a model take, by its weights' types alone, as Compression::file_bytes; none: those of
  // its folder.
  std::function<std::int64_t(const Model&)> file_bytes{};
  // Above 0: the model is smoothed first, so far (SmoothOptions::strength). For products whose inputs are
  // coded in eight bits too.
  double smooth = 0;
  CalibrationOptions sample{};
  RefineOptions refine{};
  CorrectionOptions correction{};  // not of refined, nor within a size; awq has none of another model
};

struct SmoothOptions {
  double strength = 0.5;  // 0: channels become as large as their weights allow; 1: all inputs reach as far
  CalibrationOptions sample{};
};
// The same model, with channels that reach far in the inputs of products made smaller, and the weights that
// multiply them larger (SmoothQuant, Xiao, Lin, Seznec, Wu, Demouth and Han, arXiv 2211.10438): by
// s = (largest input)^strength / (largest weight)^(1 - strength), which goes into the norm in front, into the
// rows of the product that is gated, or into those that make attention's values. What it computes differs by
// rounding in f32 only, in which the changed weights are kept. Error(input) for a model in blocks.
HONE_API Model smooth(const Model& model, const Text& text, const SmoothOptions& options = {});

HONE_API std::vector<std::string> quantize_methods();
// Is it by a text that codes, bits or channels' scales are chosen? Error(usage) for an unknown method.
HONE_API bool needs_text(const QuantizeOptions& options);

struct Quantized {
  Model model;
  std::vector<std::string> notes{};  // for a person: what has another type than was asked for
};

// `text`: what methods learn from of which needs_text() says so, what a mix is chosen by, and corrections are
// weighed by; may be null for another method without these. Error(usage) for numbers that are out of range
// and for a text that is missing; Error(input) for a model that is in blocks already; Error(budget) for a
// size that no mix reaches, with the smallest.
HONE_API Quantized quantize(const Model& model, const Text* text, const QuantizeOptions& options);
// What that takes, for Compression::fit(). Errors as of quantize(), but for a size.
HONE_API WorkMemory quantize_memory(const Model& model, const Text* text, const QuantizeOptions& options);

}  // namespace hone
