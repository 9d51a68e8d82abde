// Several prompts at once: each has a row of the step, and the next prompt takes the row of one that ended.
// Products of few rows and attention over a cache give a row the same bits whatever stands beside it, and a
// prompt is read alone, so an answer is what generate() would give.
#include <algorithm>
#include <optional>

#include "run/continuation.hpp"
#include "run/sampler.hpp"

namespace hone {
namespace {

struct Row {
  std::optional<std::size_t> prompt;  // whose answer it makes; none: idle
  std::int32_t token = 0, position = 0;
};

class SideBySide {
 public:
  using Prompts = std::span<const std::vector<std::int32_t>>;
  using Done = std::function<void(std::size_t, const Answer&)>;

  SideBySide(Generator::Impl& g, Prompts prompts, const SamplingOptions& sampling, const Tokenizer* tokenizer,
             const Done& done)
      : g_(g), stop_(sampling.stop), done_(done), ids_(tokenizer ? tokenizer->vocab_size() : 0) {
    std::optional<Tokenizer> decoder;
    if (tokenizer) decoder = *tokenizer;
    for (const auto& prompt : prompts) {
      prompts_.push_back(g.prompt_of(prompt, tokenizer));
      g.check_ids(prompts_.back());
      writing_.emplace_back(sampling, decoder, prompts_.back(), std::nullopt);
    }
    answers_.resize(prompts.size());
    rows_.resize(static_cast<std::size_t>(g.planned().rows()));
  }

  std::vector<Answer> answers() {
    for (;;) {
      for (std::size_t i = 0; i < rows_.size(); ++i)
        while (!rows_[i].prompt && next_ < prompts_.size() && !stopped()) begin(i);
      if (stopped() || std::ranges::none_of(rows_, [](const Row& row) { return row.prompt.has_value(); }))
        break;
      step();
    }
    for (std::size_t i = 0; i < answers_.size(); ++i)
      if (answers_[i].finish == Finish::running) end(i, Finish::stopped);
    return std::move(answers_);
  }

 private:
  bool stopped() const { return stop_.stop_requested(); }

  void end(std::size_t prompt, Finish finish) {
    answers_[prompt].finish = finish;
    if (done_) done_(prompt, answers_[prompt]);
  }

  // The next prompt, as row i.
  void begin(std::size_t i) {
    const std::size_t prompt = next_;
    if (!g_.read_as(static_cast<std::int64_t>(i), prompts_[prompt], stop_)) return;
    ++next_;
    if (writing_[prompt].sampling().max_tokens == 0) return end(prompt, Finish::length);
    rows_[i] = {prompt, 0, static_cast<std::int32_t>(prompts_[prompt].size())};
    draw(i, g_.logits());
  }

  void step() {
    std::vector<std::int32_t> tokens, positions;
    for (const Row& row : rows_) tokens.push_back(row.token), positions.push_back(row.position);
    g_.step_sequences(tokens, positions);
    const auto logits = g_.logits();
    const auto width = static_cast<std::size_t>(g_.logits_width());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (!rows_[i].prompt) continue;
      ++rows_[i].position;
      draw(i, logits.subspan(i * width, width));
    }
  }

  void draw(std::size_t i, std::span<const float> logits) {
    Row& row = rows_[i];
    const std::size_t prompt = *row.prompt;
    Continuation& writing = writing_[prompt];
    if (!all_finite(logits)) g_.refuse_logits();
    const BeamToken next = writing.draw(logits, g_.usable_ids(ids_), row.position, g_.executor);
    Piece piece;
    const Finish finish =
        writing.take(next, writing.end_behind(next.token, row.position, g_.plan.options().context), piece);
    Answer& answer = answers_[prompt];
    answer.tokens.push_back(next.token);
    answer.log_probabilities.push_back(next.log_probability);
    answer.text += piece.text;
    row.token = next.token;
    if (finish == Finish::running) return;
    row = {};
    end(prompt, finish);
  }

  Generator::Impl& g_;
  const std::stop_token stop_;
  const Done& done_;
  const std::int64_t ids_;  // the tokenizer's
  std::vector<std::vector<std::int32_t>> prompts_;
  std::vector<Continuation> writing_;
  std::vector<Answer> answers_;
  std::vector<Row> rows_;
  std::size_t next_ = 0;
};

}  // namespace

std::vector<Answer> Generator::generate_all(std::span<const std::vector<std::int32_t>> prompts,
                                            const SamplingOptions& sampling, const Tokenizer* tokenizer,
                                            const std::function<void(std::size_t, const Answer&)>& done) {
  const GeneratorInUse guard(impl_.get());
  check(sampling);
  if (impl_->plan.options().beams > 1 || impl_->planned().reads.source())
    throw Error(ErrorKind::usage, {.what = "several prompts are continued by drawing tokens",
                                   .where = "generate_all",
                                   .hint = "call generate() for each"});
  impl_->reset();
  std::vector<Answer> answers = SideBySide(*impl_, prompts, sampling, tokenizer, done).answers();
  impl_->reset();
  return answers;
}

}  // namespace hone
