#include "model/vocabulary.hpp"

namespace hone {

void require_vocabulary(const Model& model, const Tokenizer& tokenizer, const std::string& where) {
  std::int64_t id = model.vocab_size();
  while (id < tokenizer.vocab_size() && tokenizer.is_special(static_cast<std::int32_t>(id))) ++id;
  if (id >= tokenizer.vocab_size()) return;
  throw Error(
      ErrorKind::input,
      {.what = "a token id above the model's vocabulary",
       .where = where,
       .expected = "ids below vocab_size " + std::to_string(model.vocab_size()),
       .found = "a tokenizer of " + std::to_string(tokenizer.vocab_size()) + " ids",
       .hint = "take the tokenizer that the model was trained with, or raise vocab_size in its config"});
}

}  // namespace hone
