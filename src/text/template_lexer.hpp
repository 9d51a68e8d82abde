// A chat template's text as tokens, with white space around blocks taken away as Transformers has it
// (trim_blocks and lstrip_blocks): the newline behind a block or comment goes, and so do blanks between a
// line's begin and a block; `-` takes all white space, `+` keeps it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/template_work.hpp"

namespace hone::jinja {

struct Token {
  enum class Kind : std::uint8_t {
    data,          // text outside of {{ }} and {% %}
    output_begin,  // {{
    output_end,
    block_begin,  // {%
    block_end,
    name,
    string,  // without its quotes, escapes resolved
    integer,
    real,
    sign,  // an operator or bracket
    end,   // of the template
  };
  Kind kind = Kind::end;
  std::string text{};
  std::uint32_t offset = 0;  // into the source

  bool is(std::string_view sign_or_name) const {
    return (kind == Kind::sign || kind == Kind::name) && text == sign_or_name;
  }
};

// Newlines are \n, and one at the template's end does not count.
std::string normalized(std::string_view source);

// Of a normalized source. Error(input) for what no token begins with, and for brackets, strings and comments
// that do not end.
std::vector<Token> tokens_of(std::string_view source, Work& work);

}  // namespace hone::jinja
