// The pieces of one generation: prompt, then draw, read, draw, ...
#include <algorithm>
#include <cmath>
#include <optional>

#include "model/vocabulary.hpp"
#include "run/beams.hpp"
#include "run/generator_impl.hpp"
#include "run/sampler.hpp"

namespace hone {

const char* name(Finish finish) {
  switch (finish) {
    case Finish::running:
      return "running";
    case Finish::length:
      return "length";
    case Finish::stop_token:
      return "stop_token";
    case Finish::context:
      return "context";
    case Finish::stopped:
      return "stopped";
  }
  return "";
}

struct Generation::Impl {
  std::shared_ptr<Generator::Impl> generator;
  std::vector<std::int32_t> prompt;
  SamplingOptions sampling;
  std::optional<Tokenizer> tokenizer;
  std::uint64_t use = 0;  // the generator's, while it works for this generation
  bool begun = false, ended = false;
  std::int64_t drawn = 0;
  std::vector<BeamToken> found;  // by beam search, of which `drawn` were handed out
  Finish found_finish = Finish::running;
  Piece piece;
  std::string text;  // what the piece shows
  std::optional<TextDecoder> decoder;

  void begin();
  void advance();
  bool read_prompt();
  bool searches() const;
  void search();
  std::span<const float> finite_logits();
  std::int64_t usable_ids() const;
  BeamToken drawn_token();
  void next_piece();
  void end(Finish finish);
  bool is_stop(std::int32_t token) const;
  void add_text(std::int32_t token, bool last);
  void check_turn() const;
};

void Generation::Impl::check_turn() const {
  if (generator->uses != use)
    throw Error(ErrorKind::usage, {.what = "the generator was used for something else meanwhile",
                                   .where = "Generation",
                                   .hint = "finish one generation before the next begins"});
}

void Generation::Impl::end(Finish finish) {
  generator->finish = finish;
  ended = true;
}

void Generation::Impl::begin() {
  if (begun) return;
  const GeneratorInUse guard(generator.get());
  check_turn();
  begun = true;
  generator->finish = Finish::running;
  if (!read_prompt()) return end(Finish::stopped);
  if (sampling.max_tokens == 0) return end(Finish::length);
  if (searches()) search();
  if (!ended) next_piece();
}

// False: stopped.
bool Generation::Impl::read_prompt() {
  std::vector<std::int32_t> tokens = prompt;
  if (generator->planned().reads.source()) {
    if (sampling.stop.stop_requested()) return false;
    generator->read_source(prompt);
    use = generator->uses;
    tokens = {*generator->plan.model().sequence_tokens().begin};
  }
  for (std::span<const std::int32_t> rest = tokens; !rest.empty();) {
    if (sampling.stop.stop_requested()) return false;
    rest = rest.subspan(static_cast<std::size_t>(generator->append_chunk(rest)));
  }
  return true;
}

// The piece that was drawn last is read, which gives the logits of the next.
void Generation::Impl::advance() {
  const GeneratorInUse guard(generator.get());
  check_turn();
  if (generator->finish != Finish::running) {  // that piece was the last
    ended = true;
    return;
  }
  if (sampling.stop.stop_requested()) return end(Finish::stopped);
  if (!searches()) generator->append_chunk({&piece.token, 1});
  next_piece();
}

bool Generation::Impl::searches() const { return generator->plan.options().beams > 1; }

// All sequences side by side, to the end.
void Generation::Impl::search() {
  Executor& executor = generator->executor;
  const std::int64_t beams = generator->plan.options().beams, context = generator->plan.options().context;
  Beams all({.beams = beams,
             .length_penalty = sampling.length_penalty,
             .early_stopping = sampling.early_stopping,
             .is_stop = [this](std::int32_t token) { return is_stop(token); }},
            executor.plan().options().isa, executor.pool());
  Finish cut = Finish::stop_token;
  for (std::int64_t length = 1;; ++length) {
    all.advance(finite_logits(), length == 1 ? 1 : beams, usable_ids());
    if (all.done()) break;
    if (length == sampling.max_tokens)
      cut = Finish::length;
    else if (generator->position == context)
      cut = Finish::context;
    if (cut != Finish::stop_token) break;
    if (sampling.stop.stop_requested()) return end(Finish::stopped);
    generator->step_beams(all.parents(), all.tokens());
  }
  found = all.best().tokens;
  found_finish = is_stop(found.back().token) ? Finish::stop_token : cut;
}

bool Generation::Impl::is_stop(std::int32_t token) const {
  const auto& stops = sampling.stop_tokens;
  if (std::find(stops.begin(), stops.end(), token) != stops.end()) return true;
  if (!sampling.stop_at_end_of_text) return false;
  return (tokenizer && tokenizer->end_of_text() == token) ||
         (generator->planned().reads.source() && generator->plan.model().sequence_tokens().end == token);
}

void Generation::Impl::add_text(std::int32_t token, bool last) {
  text.clear();
  if (!tokenizer) return;
  if (!decoder) decoder.emplace(*tokenizer);
  if (!is_stop(token)) text = decoder->add(token);
  if (last) text += decoder->finish();
}

std::span<const float> Generation::Impl::finite_logits() {
  const auto logits = generator->logits();
  if (std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); })) return logits;
  const auto culprit = generator->executor.first_not_finite(generator->last_program);
  end(Finish::stopped);
  throw Error(ErrorKind::input, {.what = "the logits are not finite",
                                 .where = "position " + std::to_string(generator->position - 1) +
                                          (culprit ? ", first in " + culprit->where : ""),
                                 .hint = "the weights are damaged, or the model diverged in training"});
}

// Logits may be more than ids: a padded head, or a model whose tokenizer has fewer.
std::int64_t Generation::Impl::usable_ids() const {
  const std::int64_t ids = std::min(generator->plan.model().vocab_size(), generator->logits_width());
  return tokenizer ? std::min(ids, tokenizer->vocab_size()) : ids;
}

BeamToken Generation::Impl::drawn_token() {
  const auto logits = finite_logits();
  const auto usable = logits.first(static_cast<std::size_t>(usable_ids()));
  const std::int32_t token = draw(candidates(usable, sampling), sampling.seed, generator->position);
  Executor& executor = generator->executor;
  return {token,
          static_cast<float>(log_probability(logits, token, executor.plan().options().isa, executor.pool()))};
}

void Generation::Impl::next_piece() {
  const BeamToken next = searches() ? found[static_cast<std::size_t>(drawn)] : drawn_token();
  piece.token = next.token;
  piece.log_probability = next.log_probability;
  ++drawn;
  if (searches())
    generator->finish = drawn == std::ssize(found) ? found_finish : Finish::running;
  else if (is_stop(piece.token))
    generator->finish = Finish::stop_token;
  else if (drawn == sampling.max_tokens)
    generator->finish = Finish::length;
  else if (generator->position == generator->plan.options().context)
    generator->finish = Finish::context;
  add_text(piece.token, generator->finish != Finish::running);
  piece.text = text;
}

Generation::Generation(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generation::~Generation() = default;
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&&) noexcept = default;

Generation::Iterator Generation::begin() {
  if (!impl_)
    throw Error(ErrorKind::usage, {.what = "this generation was moved from",
                                   .where = "Generation",
                                   .hint = "use the one it was moved to"});
  impl_->begin();
  return Iterator(this);
}

const Piece& Generation::Iterator::operator*() const { return generation_->impl_->piece; }
Generation::Iterator& Generation::Iterator::operator++() {
  generation_->impl_->advance();
  return *this;
}
bool Generation::Iterator::operator==(std::default_sentinel_t) const { return generation_->impl_->ended; }

Generation Generator::generate(std::span<const std::int32_t> prompt, SamplingOptions sampling,
                               const Tokenizer* tokenizer) {
  const GeneratorInUse guard(impl_.get());
  check(sampling);
  auto generation = std::make_unique<Generation::Impl>();
  generation->generator = impl_;
  generation->prompt.assign(prompt.begin(), prompt.end());
  generation->sampling = std::move(sampling);
  if (tokenizer) require_vocabulary(impl_->plan.model(), *tokenizer, "tokenizer");
  if (tokenizer) generation->tokenizer = *tokenizer;
  const bool reads_source = impl_->planned().reads.source();
  if (prompt.empty() && !reads_source && tokenizer && tokenizer->end_of_text())
    generation->prompt = {*tokenizer->end_of_text()};
  if (reads_source && !impl_->plan.model().sequence_tokens().begin)
    throw Error(ErrorKind::input, {.what = "config.json does not say which token a target begins with",
                                   .expected = "bos_token_id",
                                   .found = "nothing"});
  if (generation->prompt.empty())
    throw Error(
        ErrorKind::usage,
        {.what = "the prompt is empty", .where = "prompt", .hint = "give at least one token to continue"});
  impl_->reset();
  reads_source ? impl_->check_source(generation->prompt) : impl_->check_ids(generation->prompt);
  generation->use = impl_->uses;
  return Generation(std::move(generation));
}

}  // namespace hone
