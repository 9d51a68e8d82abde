#include <algorithm>

#include "exec/feed.hpp"
#include "op/inputs.hpp"
#include "run/generator_impl.hpp"

namespace hone {

Generator::Impl::Impl(const GeneratePlan& p)
    : plan(p), weights(p.model(), p.impl().whole, p.impl().job), executor(p.impl().job, weights.tensors()) {
  if (!executor.plan().shared().contains(input::cache_table)) return;  // an architecture without attention
  const auto table = executor.view<std::int32_t>(input::cache_table);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::int32_t>(i);
}

void Generator::Impl::reset() {
  position = 0;
  ++uses;
}

void Generator::Impl::check_ids(std::span<const std::int32_t> ids) const {
  const std::int64_t vocab_size = plan.model().vocab_size();
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= vocab_size)
      throw Error(ErrorKind::input, {.what = "a token id outside the vocabulary",
                                     .where = "token " + std::to_string(i) + " of the prompt",
                                     .expected = "0 to " + std::to_string(vocab_size - 1),
                                     .found = std::to_string(ids[i]),
                                     .hint = "the tokenizer does not fit the model"});
  const std::int64_t context = plan.options().context,
                     count = position + static_cast<std::int64_t>(ids.size());
  if (count > context)
    throw Error(ErrorKind::input, {.what = "the prompt exceeds the context",
                                   .expected = "at most " + std::to_string(context) + " tokens",
                                   .found = std::to_string(count),
                                   .hint = "shorten the prompt"});
}

std::int64_t Generator::Impl::append_chunk(std::span<const std::int32_t> ids) {
  const auto& chunk_tokens = planned().chunk_tokens;
  std::size_t program = 0;
  while (chunk_tokens[program] > static_cast<std::int64_t>(ids.size())) ++program;
  const std::int64_t tokens = chunk_tokens[program];
  const Samples samples = Samples(1).set("tokens", ids.first(static_cast<std::size_t>(tokens)));
  feed(executor, program, samples, {.position = position});
  executor.run(program);
  last_program = program;
  position += tokens;
  return tokens;
}

std::span<const float> Generator::Impl::logits() const {
  if (position == 0)
    throw Error(ErrorKind::usage, {.what = "logits() of a generator that has read nothing",
                                   .where = "Generator",
                                   .hint = "append() or generate() first"});
  return executor.output_view<float>(last_program, "logits");
}

Generator::Generator(const GeneratePlan& plan) : impl_(std::make_shared<Impl>(plan)) {}
Generator::~Generator() = default;
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;

void Generator::append(std::span<const std::int32_t> ids) {
  const GeneratorInUse guard(impl_.get());
  impl_->check_ids(ids);
  ++impl_->uses;
  while (!ids.empty()) ids = ids.subspan(static_cast<std::size_t>(impl_->append_chunk(ids)));
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
