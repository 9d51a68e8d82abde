#include "cli/named_tokenizer.hpp"

#include "cli/terminal.hpp"

namespace hone::cli {

Tokenizer named_tokenizer(const std::string& name) {
  if (name == "char")
    throw Error(ErrorKind::usage, {.what = "a char tokenizer has the characters of a text",
                                   .where = "--tokenizer char",
                                   .hint = "name the folder of a model that was trained with it"});
  const Tokenizer t = name == "byte" ? Tokenizer::bytes() : Tokenizer::open(name);
  print_notes(t.notes());
  return t;
}

void add_tokenizer_option(Command& c, std::string& tokenizer) {
  c.add_option("--tokenizer", tokenizer,
               "byte, or a tokenizer.json or its folder, where the model has none that is read");
}

Tokenizer tokenizer_for(const std::string& model, const std::string& tokenizer) {
  return named_tokenizer(tokenizer.empty() ? model : tokenizer);
}

}  // namespace hone::cli
