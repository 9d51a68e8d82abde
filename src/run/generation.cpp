// The pieces of one generation: prompt, then draw, read, draw, ...
#include <algorithm>
#include <optional>

#include "model/vocabulary.hpp"
#include "run/continuation.hpp"
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
    case Finish::stop_string:
      return "stop_string";
    case Finish::context:
      return "context";
    case Finish::stopped:
      return "stopped";
  }
  return "";
}

struct Generation::Impl {
  std::shared_ptr<Generator::Impl> generator;
  Continuation answer;
  std::vector<std::int32_t> prompt;  // what of it is not in the cache
  std::int64_t ids = 0;              // that may be drawn: the tokenizer's; 0: all of the model's
  std::uint64_t use = 0;             // the generator's, while it works for this generation
  bool begun = false, ended = false;
  std::int64_t drawn = 0;
  std::vector<BeamToken> found;  // by beam search, of which `drawn` were handed out
  Finish found_finish = Finish::running;
  Piece piece;

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
  const SamplingOptions& sampling() const { return answer.sampling(); }
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
  if (sampling().max_tokens == 0) return end(Finish::length);
  if (searches()) search();
  if (!ended) next_piece();
}

// False: stopped.
bool Generation::Impl::read_prompt() {
  std::vector<std::int32_t> tokens = prompt;
  if (generator->planned().reads.source()) {
    if (sampling().stop.stop_requested()) return false;
    generator->read_source(prompt);
    use = generator->uses;
    tokens = {*generator->plan.model().sequence_tokens().begin};
  }
  for (std::span<const std::int32_t> rest = tokens; !rest.empty();) {
    if (sampling().stop.stop_requested()) return false;
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
  if (sampling().stop.stop_requested()) return end(Finish::stopped);
  if (!searches()) generator->append_chunk({&piece.token, 1});
  next_piece();
}

bool Generation::Impl::searches() const { return generator->plan.options().beams > 1; }

// All sequences side by side, to the end.
void Generation::Impl::search() {
  Executor& executor = generator->executor;
  const std::int64_t beams = generator->plan.options().beams, context = generator->plan.options().context;
  Beams all({.beams = beams,
             .length_penalty = sampling().length_penalty,
             .early_stopping = sampling().early_stopping,
             .is_stop = [this](std::int32_t token) { return answer.is_stop(token); }},
            executor.plan().options().isa, executor.pool());
  Finish cut = Finish::stop_token;
  for (std::int64_t length = 1;; ++length) {
    all.advance(finite_logits(), length == 1 ? 1 : beams, usable_ids());
    if (all.done()) break;
    if (length == sampling().max_tokens)
      cut = Finish::length;
    else if (generator->position == context)
      cut = Finish::context;
    if (cut != Finish::stop_token) break;
    if (sampling().stop.stop_requested()) return end(Finish::stopped);
    generator->step_beams(all.parents(), all.tokens());
  }
  found = all.best().tokens;
  found_finish = answer.is_stop(found.back().token) ? Finish::stop_token : cut;
}

std::span<const float> Generation::Impl::finite_logits() {
  const auto logits = generator->logits();
  if (all_finite(logits)) return logits;
  end(Finish::stopped);
  generator->refuse_logits();
}

// Logits may be more than ids: a padded head, or a model whose tokenizer has fewer.
std::int64_t Generation::Impl::usable_ids() const { return generator->usable_ids(ids); }

BeamToken Generation::Impl::drawn_token() {
  return answer.draw(finite_logits(), usable_ids(), generator->position, generator->executor);
}

void Generation::Impl::next_piece() {
  const BeamToken next = searches() ? found[static_cast<std::size_t>(drawn)] : drawn_token();
  ++drawn;
  Finish ends = drawn == std::ssize(found) ? found_finish : Finish::running;
  if (!searches())
    ends = answer.end_behind(next.token, generator->position, generator->plan.options().context);
  generator->finish = answer.take(next, ends, piece);
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

// Of a network that continues tokens; one with a tokenizer continues nothing as its end of text.
std::vector<std::int32_t> Generator::Impl::prompt_of(std::span<const std::int32_t> prompt,
                                                     const Tokenizer* tokenizer) const {
  std::vector<std::int32_t> ids(prompt.begin(), prompt.end());
  const bool reads_source = planned().reads.source();
  if (ids.empty() && !reads_source && tokenizer && tokenizer->end_of_text())
    ids = {*tokenizer->end_of_text()};
  if (ids.empty())
    throw Error(
        ErrorKind::usage,
        {.what = "the prompt is empty", .where = "prompt", .hint = "give at least one token to continue"});
  return ids;
}

Generation Generator::generate(std::span<const std::int32_t> prompt, SamplingOptions sampling,
                               const Tokenizer* tokenizer) {
  const GeneratorInUse guard(impl_.get());
  check(sampling);
  if (tokenizer) require_vocabulary(impl_->plan.model(), *tokenizer, "tokenizer");
  const bool reads_source = impl_->planned().reads.source(), reuses = sampling.reuse_cache && !reads_source;
  const SequenceTokens frame = impl_->plan.model().sequence_tokens();
  if (reads_source && !frame.begin)
    throw Error(ErrorKind::input, {.what = "config.json does not say which token a target begins with",
                                   .expected = "bos_token_id",
                                   .found = "nothing"});
  std::vector<std::int32_t> ids = impl_->prompt_of(prompt, tokenizer);
  std::optional<Tokenizer> decoder;
  if (tokenizer) decoder = *tokenizer;
  // What is penalised is what an answer repeats: its own language's.
  Continuation answer(std::move(sampling), decoder, reads_source ? std::vector<std::int32_t>() : ids,
                      reads_source ? frame.end : std::nullopt);
  const std::int64_t read = reuses ? impl_->keep_beginning(ids) : (impl_->reset(), 0);
  reads_source ? impl_->check_source(ids)
               : impl_->check_ids(std::span(ids).subspan(static_cast<std::size_t>(read)));
  ids.erase(ids.begin(), ids.begin() + read);
  return Generation(
      std::unique_ptr<Generation::Impl>(new Generation::Impl{.generator = impl_,
                                                             .answer = std::move(answer),
                                                             .prompt = std::move(ids),
                                                             .ids = tokenizer ? tokenizer->vocab_size() : 0,
                                                             .use = impl_->uses}));
}

}  // namespace hone
