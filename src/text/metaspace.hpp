// How SentencePiece's models see spaces: as U+2581, also before the first word. Read by the pre-tokenizer and
// by the decoder of that name.
#pragma once
#include <string>

#include "base/utf8.hpp"
#include "text/json_place.hpp"

namespace hone {

struct Metaspace {
  enum class Prepend { always, first, never };
  std::string replacement;  // one character
  Prepend prepend;
  bool split;

  // Files from before prepend_scheme say add_prefix_space.
  static Metaspace read(const JsonPlace& at) {
    Metaspace how{.replacement = at["replacement"].text_or("\xE2\x96\x81"),
                  .prepend = Prepend::always,
                  .split = at["split"].flag_or(true)};
    if (how.replacement.empty() || code_point_at(how.replacement, 0).bytes != how.replacement.size())
      at["replacement"].refuse("the replacement is not one character", at["replacement"].shown());
    const bool old = at["add_prefix_space"].flag_or(true);
    const std::string scheme = at["prepend_scheme"].text_or(old ? "always" : "never");
    if (scheme == "first")
      how.prepend = Prepend::first;
    else if (scheme == "never")
      how.prepend = Prepend::never;
    else if (scheme != "always")
      at["prepend_scheme"].refuse("a scheme that is not known", scheme, "always, first or never");
    return how;
  }
};

}  // namespace hone
