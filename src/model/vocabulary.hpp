// Do a tokenizer and a model belong together?
#pragma once
#include <string>

#include "hone/model.hpp"
#include "hone/tokenizer.hpp"

namespace hone {

// Error(input), said of `where`, for a tokenizer with ids that the model has no row for. Special tokens
// behind the model's may be there: who shares a tokenizer with models that read pictures has some (Gemma 3),
// and a text does not come to them.
void require_vocabulary(const Model& model, const Tokenizer& tokenizer, const std::string& where);

}  // namespace hone
