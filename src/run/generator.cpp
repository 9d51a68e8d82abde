#include <algorithm>
#include <cmath>

#include "exec/feed.hpp"
#include "op/inputs.hpp"
#include "run/cache_tables.hpp"
#include "run/generator_impl.hpp"

namespace hone {

Generator::Impl::Impl(const GeneratePlan& p)
    : plan(p), weights(p.model(), p.impl().whole, p.impl().job), executor(p.impl().job, weights.tensors()) {
  if (!executor.plan().shared().contains(input::cache_table)) return;  // an architecture without attention
  number_blocks(executor);
}

void Generator::Impl::reset() {
  position = 0;
  history.clear();
  restored.clear();
  source_length = 0;
  ++uses;
}

std::int64_t Generator::Impl::keep_beginning(std::span<const std::int32_t> prompt) {
  if (std::ssize(history) != position) reset();  // of several sequences nothing is kept
  ++uses;
  auto same = std::ranges::mismatch(history, prompt).in1 - history.begin();
  if (same == position && same == std::ssize(prompt) && same > 0) return same;
  same = std::min<std::ptrdiff_t>(same, std::max<std::ptrdiff_t>(0, std::ssize(prompt) - 1));
  position = same;
  history.resize(static_cast<std::size_t>(same));
  restored.clear();
  return same;
}

namespace {

void require_ids(std::span<const std::int32_t> ids, std::int64_t below, const std::string& of) {
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= below)
      throw Error(ErrorKind::input, {.what = "a token id outside the vocabulary",
                                     .where = "token " + std::to_string(i) + " of the " + of,
                                     .expected = "0 to " + std::to_string(below - 1),
                                     .found = std::to_string(ids[i]),
                                     .hint = "the tokenizer does not fit the model"});
}

void require_room(std::int64_t tokens, std::int64_t context, const std::string& of) {
  if (tokens > context)
    throw Error(ErrorKind::input, {.what = "the " + of + " exceeds the context",
                                   .expected = "at most " + std::to_string(context) + " tokens",
                                   .found = std::to_string(tokens),
                                   .hint = "shorten the " + of});
}

}  // namespace

void Generator::Impl::check_ids(std::span<const std::int32_t> ids) const {
  const Reads& reads = planned().reads;
  if (reads.source() && source_length == 0)
    throw Error(ErrorKind::usage, {.what = "a target without a source",
                                   .where = "Generator",
                                   .hint = "read_source() first, or generate()"});
  require_ids(ids, plan.model().vocab_size(), reads.source() ? "target" : "prompt");
  require_room(position + std::ssize(ids), plan.options().context, reads.source() ? "target" : "prompt");
}

void Generator::Impl::check_source(std::span<const std::int32_t> ids) const {
  const Reads& reads = planned().reads;
  if (!reads.source())
    throw Error(ErrorKind::usage, {.what = "the network reads no source", .where = "Generator"});
  if (ids.empty()) throw Error(ErrorKind::usage, {.what = "the source is empty", .where = "source"});
  require_ids(ids, reads.source_below, "source");
  require_room(std::ssize(ids), plan.options().source_context, "source");
}

void Generator::Impl::read_source(std::span<const std::int32_t> ids) {
  check_source(ids);
  reset();
  const GeneratePlan::Impl& planned = plan.impl();
  std::size_t bucket = 0;
  while (planned.source_rows[bucket] < std::ssize(ids)) ++bucket;
  std::vector<std::int32_t> padded(ids.begin(), ids.end());
  padded.resize(static_cast<std::size_t>(planned.source_rows[bucket]));
  source_length = static_cast<std::int32_t>(ids.size());
  const std::size_t program = planned.first_source_program() + bucket;
  const std::span length(&source_length, 1);
  feed(executor, program, Samples(1).set("source", padded).set("source_lengths", length), {});
  executor.run(program);
}

std::int64_t Generator::Impl::append_chunk(std::span<const std::int32_t> ids) {
  const auto& chunk_tokens = planned().chunk_tokens;
  std::size_t program = 0;
  while (chunk_tokens[program] > static_cast<std::int64_t>(ids.size())) ++program;
  const std::int64_t tokens = chunk_tokens[program];
  const auto chunk = ids.first(static_cast<std::size_t>(tokens));
  run(program, 1, chunk);
  history.insert(history.end(), chunk.begin(), chunk.end());
  return tokens;
}

void Generator::Impl::run(std::size_t program, std::int64_t sequences, std::span<const std::int32_t> ids,
                          std::vector<std::int32_t> positions) {
  const std::vector<std::int32_t> lengths(static_cast<std::size_t>(sequences), source_length);
  const Samples samples = Samples(sequences).set(planned().reads.tokens, ids).set("source_lengths", lengths);
  feed(executor, program, samples, {.position = position, .positions = std::move(positions)});
  executor.run(program);
  last_program = program;
  restored.clear();
  position += std::ssize(ids) / sequences;
}

void Generator::Impl::step_beams(std::span<const std::int32_t> parents,
                                 std::span<const std::int32_t> tokens) {
  take_over(executor, parents, position);
  history.clear();
  run(planned().step_program(), std::ssize(tokens), tokens);
}

void Generator::Impl::step_sequences(std::span<const std::int32_t> tokens,
                                     std::span<const std::int32_t> positions) {
  run(planned().step_program(), std::ssize(tokens), tokens, {positions.begin(), positions.end()});
}

// The programs of one sequence find its blocks in the table's first row.
bool Generator::Impl::read_as(std::int64_t sequence, std::span<const std::int32_t> prompt,
                              const std::stop_token& stop) {
  const FirstRow row(executor, sequence);
  position = 0;
  while (!prompt.empty()) {
    if (stop.stop_requested()) return false;
    prompt = prompt.subspan(static_cast<std::size_t>(append_chunk(prompt)));
  }
  return true;
}

std::span<const float> Generator::Impl::logits() const {
  if (position == 0)
    throw Error(ErrorKind::usage, {.what = "logits() of a generator that has read nothing",
                                   .where = "Generator",
                                   .hint = "append() or generate() first"});
  if (!restored.empty()) return restored;
  return executor.output_view<float>(last_program, "logits");
}

bool all_finite(std::span<const float> logits) {
  return std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
}

void Generator::Impl::refuse_logits() {
  const auto culprit = executor.first_not_finite(last_program);
  throw Error(ErrorKind::input, {.what = "the logits are not finite",
                                 .where = "position " + std::to_string(position - 1) +
                                          (culprit ? ", first in " + culprit->where : ""),
                                 .hint = "the weights are damaged, or the model diverged in training"});
}

std::int64_t Generator::Impl::usable_ids(std::int64_t ids) const {
  const std::int64_t own = std::min(plan.model().vocab_size(), logits_width());
  return ids > 0 ? std::min(own, ids) : own;
}

std::int64_t Generator::Impl::logits_width() const {
  const Program& p = executor.plan().programs()[last_program];
  return p[p.output("logits")].type.shape.last();
}

Generator::Generator(const GeneratePlan& plan) : impl_(std::make_shared<Impl>(plan)) {}
Generator::~Generator() = default;
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;

void Generator::read_source(std::span<const std::int32_t> ids) {
  const GeneratorInUse guard(impl_.get());
  impl_->read_source(ids);
}

void Generator::append(std::span<const std::int32_t> ids) {
  const GeneratorInUse guard(impl_.get());
  impl_->check_ids(ids);
  ++impl_->uses;
  while (!ids.empty()) ids = ids.subspan(static_cast<std::size_t>(impl_->append_chunk(ids)));
}

std::int64_t Generator::read_prompt(std::span<const std::int32_t> prompt) {
  const GeneratorInUse guard(impl_.get());
  const std::int64_t kept = impl_->keep_beginning(prompt);
  auto rest = prompt.subspan(static_cast<std::size_t>(kept));
  impl_->check_ids(rest);
  while (!rest.empty()) rest = rest.subspan(static_cast<std::size_t>(impl_->append_chunk(rest)));
  return kept;
}

void Generator::reset() {
  const GeneratorInUse guard(impl_.get());
  impl_->reset();
}

std::span<const float> Generator::logits() const {
  const GeneratorInUse guard(impl_.get());
  return impl_->logits();
}

std::int64_t Generator::positions() const {
  const GeneratorInUse guard(impl_.get());
  return impl_->position;
}

Finish Generator::finish() const {
  const GeneratorInUse guard(impl_.get());
  return impl_->finish;
}

void Generator::profile(bool on) {
  const GeneratorInUse guard(impl_.get());
  impl_->executor.profile(on);
}

std::map<std::string, double> Generator::profile_ms() const {
  const GeneratorInUse guard(impl_.get());
  return impl_->executor.profile_ms();
}

const GeneratePlan& Generator::plan() const { return GeneratorInUse::there(impl_.get()).plan; }

}  // namespace hone
