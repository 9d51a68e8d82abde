// Ids to text, all at once or while they come: the same steps.
#include <utility>
#include <vector>

#include "base/utf8.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {

struct TextDecoder::Parts {
  Tokenizer tokenizer;
  bool with_specials;
  std::vector<DecodeStep> steps{};
  std::string text{};  // that no one has seen

  Parts(Tokenizer t, bool specials) : tokenizer(std::move(t)), with_specials(specials) { begin(); }

  void begin() {
    steps.clear();
    for (const MakeDecodeStep& make : tokenizer.impl().decoder) steps.push_back(make());
  }

  void add(std::int32_t id) {
    const std::string_view token = tokenizer.token(id);
    if (token.empty() || (!with_specials && tokenizer.is_special(id))) return;
    pass(0, {.text = token});
  }

  void pass(std::size_t step, DecodedPart part) {
    if (step == steps.size())
      text += part.text;
    else
      steps[step].take(part, sink_of(step));
  }

  DecodedSink sink_of(std::size_t step) {
    return [this, step](DecodedPart part) { pass(step + 1, part); };
  }

  void end() {
    for (std::size_t i = 0; i < steps.size(); ++i)
      if (steps[i].at_end) steps[i].at_end(sink_of(i));
  }
};

TextDecoder::TextDecoder(const Tokenizer& tokenizer, bool with_specials)
    : parts_(std::make_unique<Parts>(tokenizer, with_specials)) {}
TextDecoder::~TextDecoder() = default;
TextDecoder::TextDecoder(TextDecoder&&) noexcept = default;
TextDecoder& TextDecoder::operator=(TextDecoder&&) noexcept = default;

std::string TextDecoder::add(std::int32_t id) {
  parts_->add(id);
  std::string ready = parts_->text.substr(0, whole_characters(parts_->text));
  parts_->text.erase(0, ready.size());
  return ready;
}

std::string TextDecoder::finish() {
  parts_->end();
  parts_->begin();
  return std::exchange(parts_->text, {});
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool with_specials) const {
  TextDecoder decoder(*this, with_specials);
  std::string text;
  for (const std::int32_t id : ids) text += decoder.add(id);
  return text + decoder.finish();
}

}  // namespace hone
