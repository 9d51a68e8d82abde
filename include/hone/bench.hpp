// Figures: how fast a training step runs here, and the share of this CPU's multiply-add limit that it
// reaches.
//
//   const hone::TrainPlanOptions job{.batch = 32, .seq = 256, .precision = hone::Precision::bf16};
//   const auto r = hone::bench_train(hone::preset("nano"), job);
//   std::printf("%.0f tokens/s, %.0f %% of the limit\n", r.tokens_per_s.median, 100 * r.share_of_limit);
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hone/encode.hpp"
#include "hone/generate.hpp"
#include "hone/machine.hpp"
#include "hone/tokenizer.hpp"
#include "hone/train.hpp"

namespace hone {

struct BenchResult {
  std::string name{};
  Spread tokens_per_s{};
  Spread gflops{},
      limit_gflops{};         // the limit is what multiply-adds alone sustain, measured between the steps
  double share_of_limit = 0;  // the median of each step's share of the limit beside it
  std::int64_t peak_bytes = 0;
  std::map<std::string, double>
      op_ms{};  // of one step, by op; from a run of its own, since timing costs a little
};

// Steps (forward, backward, clip, update) over random inputs: one to warm up, then `steps`. Tokens are those
// that have labels: of an encoder-decoder the target's.
HONE_API BenchResult bench_train(const Model& model, const TrainPlanOptions& options, int steps = 5);

struct GenerateSpeed {
  Spread prefill_tokens_per_s{}, decode_tokens_per_s{};
};
// A prompt of so many tokens, then token by token behind it; `rounds` times, after one to warm up. Both are
// cut to the model's context.
HONE_API GenerateSpeed generate_speed(const Model& model, const GenerateOptions& options = {},
                                      std::int64_t prompt_tokens = 128, std::int64_t tokens = 32,
                                      int rounds = 3);

struct GenerateBench {
  Spread prefill_tokens_per_s{}, decode_tokens_per_s{};
  double token_bytes = 0;     // of weights that a token's products read
  Spread limit_gb_s{};        // at which this machine reads memory, looked at in turns with decoding
  double share_of_limit = 0;  // that decoding reached, of medians
  // Multiply-adds (two operations each) of the prompt's products with weights, 1e9 a second of the whole
  // prompt's time; and what this CPU sustains of the kind that they are: int8 where weights are codes, else
  // the precision's.
  Spread prefill_gops{}, prefill_limit_gops{};
  double prefill_share_of_limit = 0;
  std::int64_t peak_bytes = 0;
  std::map<std::string, double> op_ms{},
      prefill_op_ms{};  // of one token, of the prompt; from runs of their own
};

// A prompt of so many tokens, then token by token behind it; five times, after one to warm up.
HONE_API GenerateBench bench_generate(const Model& model, const GenerateOptions& options,
                                      std::int64_t prompt_tokens = 128, int tokens = 64);

// Layers of an encoder, as BERT's: each position sees all, norms stand behind the sums, gelu between.
struct EncoderShape {
  int layers = 6;
  std::int64_t width = 384, heads = 12, feed_forward = 1536;
};
HONE_API EncoderShape
encoder_shape(const std::string& name);  // "minilm", "bert-base"; Error(usage) for others
// Such a network, with fresh weights: from x f32[B,T,width] to "states" [B,T,width].
HONE_API Model encoder_layers(const EncoderShape& shape);

struct EncodeBench {
  Spread ms{}, tokens_per_s{};
  Spread gflops{}, limit_gflops{};  // as in BenchResult; int8's limit where products are in int8
  double share_of_limit = 0;
  double error = 0;  // of the states against f32's: root mean square, as a share of theirs
  std::int64_t peak_bytes = 0;
  std::map<std::string, double> op_ms{};  // of one run, by op; from a run of its own
};
// Runs over drawn numbers: one to warm up, then `steps`, each in turns with the limit.
HONE_API EncodeBench bench_encode(const EncoderShape& shape, const EncodeOptions& options, int steps = 5);

struct KernelBench {
  std::string name{};
  double ms = 0;  // the median
  Spread gflops{}, limit_gflops{};
  double share_of_limit = 0;  // as above
};
// Matrix products of GPT-2's shapes, and attention of usual ones: forward, and gradients.
HONE_API std::vector<KernelBench> bench_gemm(Precision precision, int threads, const std::string& isa);
HONE_API std::vector<KernelBench> bench_attention(Precision precision, int threads, const std::string& isa);

struct TokenizerBench {
  Spread mb_per_s{};  // of UTF-8, in 10^6 bytes, on one core
  std::int64_t bytes = 0, ids = 0;
};
// A text to ids, once to warm up, then `times`.
HONE_API TokenizerBench bench_tokenizer(const Tokenizer& tokenizer, std::string_view text, int times = 5);

}  // namespace hone
