// Text from a model, token by token: what continues a prompt, or of an encoder-decoder what belongs to a
// source. Plan, then run: the plan is a value that knows the memory, the generator takes exactly that and is
// ready from its first line to its destructor.
//
//   const hone::Model model = hone::open("out");
//   const auto tokenizer = hone::Tokenizer::open("out");
//   hone::Generator generator(hone::GeneratePlan(model, {.precision = hone::Precision::bf16}));
//   for (const auto& piece : generator.generate(tokenizer.encode("ROMEO:"), {.seed = 1}, &tokenizer))
//     std::fwrite(piece.text.data(), 1, piece.text.size(), stdout);  // break stops
//
// The same seed gives the same text for any number of threads. Positions are absolute and end with the
// model's context: when it is full, generation stops; there is no sliding window. One thread uses a generator
// at a time; a second one gets an Error(usage). Generators of one model may run side by side; they hold its
// weights once for each precision, and each its own cache.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "hone/forecast.hpp"
#include "hone/model.hpp"
#include "hone/precision.hpp"
#include "hone/tokenizer.hpp"

namespace hone {

// How keys and values of what was read are kept: as they are computed, or in eight bits with a factor for
// each head and position, a quarter of f32's bytes and half of bf16's.
enum class CacheType { same, int8 };
HONE_API CacheType cache_type_from_name(const std::string& name);  // "same", "int8"; Error(usage) for others
HONE_API const char* name(CacheType type);

struct GenerateOptions {
  std::int64_t context = 0;  // most positions, prompt included, at most the model's; 0: the model's
  Precision precision = Precision::f32;  // bf16 halves the bytes that a token reads; logits are f32 in either
  int threads = 0;                       // 0: all cores
  std::string isa{};                     // of instruction_sets(); empty: the best that this CPU has
  std::int64_t beams = 1;                // above 1: beam search, which has memory for so many sequences
  std::int64_t source_context = 0;       // most positions of a source; 0: the model's context
  std::int64_t sequences = 1;            // that generate_all() continues side by side, each of `context`
  // Products in eight bits, weights and activations, a scale for each row of either. Weights that are codes
  // already keep their own scales; activations are coded for them in any case.
  bool int8 = false;
  CacheType cache = CacheType::same;  // of self-attention; a source's keys and values stay as they are
};

class HONE_API GeneratePlan {
 public:
  // Error(usage) for a network that neither continues tokens nor writes a target to a source: other inputs
  // are not known here.
  explicit GeneratePlan(Model model, GenerateOptions options = {});
  GeneratePlan(const GeneratePlan&) = default;  // a move copies
  GeneratePlan(GeneratePlan&& other) noexcept { impl_ = other.impl_; }
  GeneratePlan& operator=(const GeneratePlan&) = default;

  const Forecast& forecast() const;  // of a generator alone; step_ms: of one token, its cache full
  const Model& model() const;
  const GenerateOptions& options() const;  // with every default decided
  std::string print() const;               // the programs, one line a node

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

struct SamplingOptions {
  float temperature = 0.8f;  // logits are divided by it; 0: greedy, the first of equal maxima
  std::int64_t top_k = 40;   // only the so many most probable tokens; 0: all
  float top_p = 0.95f;       // of those, the fewest that add up to it (Holtzman et al., 2020)
  float min_p = 0;           // of those, that have so much of the largest's probability at least
  // Logits of tokens that the prompt or the answer has already: divided by it above 0, multiplied below
  // (Keskar et al., 2019), as Transformers does it.
  float repetition_penalty = 1;
  std::uint64_t seed = 0;                   // a draw is a function of the seed and the position
  std::int64_t max_tokens = 128;            // -1: until a stop token or the context's end
  std::vector<std::int32_t> stop_tokens{};  // such a token is the last piece
  std::vector<std::string> stop_strings{};  // the text ends in front of the first of them
  // Reads only what follows the longest beginning that the generator has read already, instead of all: the
  // next turn of a chat. Numbers may differ by rounding.
  bool reuse_cache = false;
  bool stop_at_end_of_text = true;  // the tokenizer's end of text, and the model's end token, are stop tokens
  // Beam search, as Transformers has it: the sequence whose sum of log probabilities over its length to this
  // power is the largest; above 0 favours longer ones. Nothing is drawn. Pieces come when all is known.
  float length_penalty = 1;
  bool early_stopping = false;  // ends as soon as there are as many whole sequences as beams
  std::stop_token stop{};       // asked before each chunk of the prompt and each token
};

struct Piece {
  std::int32_t token = 0;
  float log_probability = 0;  // of this token by the model, before temperature and masks; nats
  // What the token adds to the text, in whole UTF-8 characters: the bytes of an unfinished one come with the
  // piece that completes it, or with the last piece. Bytes that cannot be UTF-8 pass as they are. Empty
  // without a tokenizer and for stop tokens. Valid until the next piece.
  std::string_view text{};
};

enum class Finish {
  running,     // there is more to come
  length,      // max_tokens
  stop_token,  // a stop token was drawn
  stop_string,
  context,  // the context is full
  stopped,  // SamplingOptions::stop was asked to stop
};
HONE_API const char* name(Finish finish);

class Generator;

// A whole answer of generate_all().
struct Answer {
  std::vector<std::int32_t> tokens{};
  std::vector<float> log_probabilities{};  // of each, as Piece has it
  std::string text{};                      // empty without a tokenizer
  Finish finish = Finish::running;
};

// The pieces of one call of generate(), for one range-for. Uses its generator, which must be used for nothing
// else meanwhile (Error(usage) on the next piece); the generator's memory stays until both are gone.
class HONE_API Generation {
 public:
  class HONE_API Iterator {
   public:
    using value_type = Piece;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Generation* generation = nullptr) : generation_(generation) {}
    const Piece& operator*() const;
    const Piece* operator->() const { return &**this; }
    Iterator& operator++();
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const;

   private:
    Generation* generation_;
  };

  ~Generation();
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;

  Iterator begin();  // computes the prompt and draws the first token; a second call stays where it is
  std::default_sentinel_t end() const { return {}; }

  struct Impl;
  explicit Generation(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// What a model says of generation: generation_config.json or else config.json, or a GGUF file's metadata.
struct GenerationDefaults {
  std::vector<std::int32_t> end_tokens{};  // eos_token_id, one or several
  bool samples = false;                    // do_sample
  std::optional<float> temperature{}, top_p{}, min_p{}, repetition_penalty{};
  std::optional<std::int64_t> top_k{};
  std::vector<std::string> notes{};  // of an eos_token_id that is none; a line each, for a person
};
// `vocab_size`: of the model, above which nothing is an id; 0: not known.
HONE_API GenerationDefaults generation_defaults(const std::string& model, std::int64_t vocab_size = 0);

// A file of prompts: one a line, or in JSON lines (.jsonl, .ndjson) the member "prompt"; lines without any
// text are passed over. Error(input) with the line.
HONE_API std::vector<std::string> read_prompts(const std::string& path);

class HONE_API Generator {
 public:
  explicit Generator(const GeneratePlan& plan);
  ~Generator();
  Generator(Generator&&) noexcept;
  Generator& operator=(Generator&&) noexcept;

  // Continues a prompt of ids, from an empty cache; of an encoder-decoder the prompt is the source, and the
  // pieces are the target, from behind the model's begin token. Without a tokenizer pieces have no text. With
  // one, ids that it lacks (a model's vocabulary may be larger) are never drawn, and an empty prompt begins
  // with its end of text. Error(usage) for a prompt that is empty, Error(input) for one that holds an id
  // outside the vocabulary or exceeds the context.
  Generation generate(std::span<const std::int32_t> prompt, SamplingOptions sampling = {},
                      const Tokenizer* tokenizer = nullptr);
  // Why the last generation ended.
  Finish finish() const;

  // Answers to several prompts, GenerateOptions::sequences of them in one step: each the very answer that
  // generate() would give. `done` hears of each when it is whole, in whatever order that happens; where
  // SamplingOptions::stop was asked, answers are as far as they came. Error(usage) with beams, or for a
  // network that reads a source.
  std::vector<Answer> generate_all(std::span<const std::vector<std::int32_t>> prompts,
                                   const SamplingOptions& sampling = {}, const Tokenizer* tokenizer = nullptr,
                                   const std::function<void(std::size_t prompt, const Answer&)>& done = {});

  // The verbs below generate(): reads ids behind what was read before; logits() are then those of the next
  // token, [V], valid until the next call. During generate() they are what the last piece was drawn from. How
  // ids are divided among calls changes the numbers by no more than rounding.
  void append(std::span<const std::int32_t> ids);
  // The same of a whole prompt, of which the longest beginning that was read before stays; returns its
  // length. generate() with reuse_cache then finds the prompt read.
  std::int64_t read_prompt(std::span<const std::int32_t> prompt);
  // Reads the source of an encoder-decoder and forgets what was read before; append() then reads its target.
  void read_source(std::span<const std::int32_t> ids);
  std::span<const float> logits() const;
  std::int64_t positions() const;  // read so far
  void reset();                    // forgets them

  // What was read, ids, keys and values and the last logits, as a file: what a prompt costs is paid once.
  void save_cache(const std::string& path) const;
  // How many positions it brought, after which generate() with reuse_cache goes on; nothing, and why, where
  // it is another model's, another precision's, or damaged: the generator is as it was. Error(input) for a
  // file that is no cache at all.
  struct CacheLoaded {
    std::int64_t positions = 0;
    std::string refused{};
  };
  CacheLoaded load_cache(const std::string& path);

  const GeneratePlan& plan() const;

  // Times every node from here on: milliseconds by op.
  void profile(bool on);
  std::map<std::string, double> profile_ms() const;

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;  // a Generation shares it
};

}  // namespace hone
