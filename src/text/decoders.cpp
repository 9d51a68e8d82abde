// Decoders: text out of tokens, step by step. A step takes one token after the other and hands on what cannot
// change any more, so that a text decoded while it is generated is the text decoded at the end.
#include <array>
#include <memory>
#include <utility>

#include "base/utf8.hpp"
#include "text/metaspace.hpp"
#include "text/split_by.hpp"
#include "text/stages.hpp"

namespace hone {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// For a step that needs a token whole: gathers the parts, and calls take(token, is_first, sink) when it is
// known to end.
template <class Take>
DecodeStep by_whole_tokens(Take take) {
  struct State {
    Take take;
    std::string token{};
    bool open = false, first = true;

    void flush(const DecodedSink& sink) {
      if (!open) return;
      take(token, first, sink);
      first = open = false;
      token.clear();
    }
  };
  auto state = std::make_shared<State>(State{std::move(take)});
  return {.take =
              [state](DecodedPart part, const DecodedSink& sink) {
                if (!part.continues) state->flush(sink);
                state->token += part.text;
                state->open = true;
                if (part.ends) state->flush(sink);
              },
          .at_end = [state](const DecodedSink& sink) { state->flush(sink); }};
}

MakeDecodeStep read_byte_level(const JsonPlace&, StageNotes&) {
  return [] {
    return by_whole_tokens(
        [bytes = std::string()](std::string& token, bool, const DecodedSink& sink) mutable {
          if (!from_byte_characters(token, bytes)) bytes = token;
          sink({.text = bytes});
        });
  };
}

MakeDecodeStep read_metaspace(const JsonPlace& at, StageNotes&) {
  return [how = Metaspace::read(at)] {
    return by_whole_tokens([how](std::string& token, bool first, const DecodedSink& sink) {
      replace_all(token, how.replacement, first && how.prepend != Metaspace::Prepend::never ? "" : " ");
      sink({.text = token});
    });
  };
}

// What English loses when its words are cut apart at punctuation.
void clean_up(std::string& text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> pairs{{{" .", "."},
                                                                                 {" ?", "?"},
                                                                                 {" !", "!"},
                                                                                 {" ,", ","},
                                                                                 {" ' ", "'"},
                                                                                 {" n't", "n't"},
                                                                                 {" 'm", "'m"},
                                                                                 {" do not", " don't"},
                                                                                 {" 's", "'s"},
                                                                                 {" 've", "'ve"},
                                                                                 {" 're", "'re"}}};
  for (const auto& [from, to] : pairs) replace_all(text, from, to);
}

MakeDecodeStep read_word_piece(const JsonPlace& at, StageNotes&) {
  return [prefix = at["prefix"].text_or("##"), cleanup = at["cleanup"].flag_or(true)] {
    return by_whole_tokens([=](std::string& token, bool first, const DecodedSink& sink) {
      if (!first) {
        if (token.starts_with(prefix))
          token.erase(0, prefix.size());
        else
          token.insert(0, " ");
      }
      if (cleanup) clean_up(token);
      sink({.text = token});
    });
  };
}

// A suffix is the space behind a word; behind the last one there is none.
MakeDecodeStep read_bpe(const JsonPlace& at, StageNotes&) {
  return [suffix = at["suffix"].text_or("</w>")] {
    auto held = std::make_shared<std::string>();
    auto any = std::make_shared<bool>(false);
    DecodeStep step = by_whole_tokens([=](std::string& token, bool, const DecodedSink& sink) {
      if (*any) {
        replace_all(*held, suffix, " ");
        sink({.text = *held});
      }
      *held = token;
      *any = true;
    });
    return DecodeStep{.take = step.take, .at_end = [=](const DecodedSink& sink) {
                        step.at_end(sink);
                        replace_all(*held, suffix, "");
                        if (*any) sink({.text = *held});
                      }};
  };
}

// <0xE5>: the byte, -1 for another token.
int byte_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : 256;
    value = value * 16 + digit;
  }
  return value < 256 ? value : -1;
}

// A run of byte tokens is one text, or where it is no UTF-8 a replacement character for each of them.
MakeDecodeStep read_byte_fallback(const JsonPlace&, StageNotes&) {
  return [] {
    auto bytes = std::make_shared<std::string>();
    const auto flush = [bytes](const DecodedSink& sink) {
      if (bytes->empty()) return;
      if (valid_utf8(*bytes))
        sink({.text = *bytes});
      else
        for (std::size_t i = 0; i < bytes->size(); ++i) sink({.text = "\xEF\xBF\xBD"});
      bytes->clear();
    };
    DecodeStep step = by_whole_tokens([=](std::string& token, bool, const DecodedSink& sink) {
      if (const int byte = byte_token(token); byte >= 0) {
        *bytes += static_cast<char>(byte);
        return;
      }
      flush(sink);
      sink({.text = token});
    });
    return DecodeStep{.take = step.take, .at_end = [=](const DecodedSink& sink) {
                        step.at_end(sink);
                        flush(sink);
                      }};
  };
}

MakeDecodeStep read_fuse(const JsonPlace&, StageNotes&) {
  return [] {
    return DecodeStep{.take = [first = true](DecodedPart part, const DecodedSink& sink) mutable {
      sink({.text = part.text, .continues = !first, .ends = false});
      first = false;
    }};
  };
}

// Up to so many of one character from a token's beginning and end.
MakeDecodeStep read_strip(const JsonPlace& at, StageNotes&) {
  const std::string content = at["content"].text_or(" ");
  const auto count = [&](const char* key) {
    const JsonPlace place = at[key];
    const std::int64_t value = place.is_null() ? 0 : place.whole();
    if (value < 0) place.refuse("a count below zero", place.shown());
    return static_cast<std::size_t>(value);
  };
  const std::size_t start = count("start"), stop = count("stop");
  if (content.empty()) at["content"].refuse("nothing to strip");
  return [=] {
    struct State {
      std::size_t left = 0;  // that may still be cut from the beginning
      std::size_t held = 0;  // of `content` at the end so far, not handed on
    };
    auto state = std::make_shared<State>();
    const auto give_held = [=](std::size_t keep_back, const DecodedSink& sink) {
      std::string text;
      for (; state->held > keep_back; --state->held) text += content;
      if (!text.empty()) sink({.text = text, .continues = true, .ends = false});
    };
    const auto take = [=](DecodedPart part, const DecodedSink& sink) {
      std::string_view text = part.text;
      if (!part.continues) {
        give_held(stop, sink);  // of the token before
        state->held = 0;
        state->left = start;
      }
      const bool continues = part.continues;
      while (state->left > 0 && text.starts_with(content)) {
        text.remove_prefix(content.size());
        --state->left;
      }
      if (!text.empty()) state->left = 0;
      std::size_t trailing = 0;
      while (stop > 0 && text.ends_with(content)) {
        text.remove_suffix(content.size());
        ++trailing;
      }
      if (!text.empty()) {
        give_held(0, sink);
        sink({.text = text, .continues = continues, .ends = false});
      } else if (!continues) {
        sink({.text = {}, .continues = false, .ends = false});
      }
      state->held += trailing;
    };
    return DecodeStep{.take = take, .at_end = [=](const DecodedSink& sink) { give_held(stop, sink); }};
  };
}

MakeDecodeStep read_replace(const JsonPlace& at, StageNotes&) {
  return [find = read_pattern(at.required("pattern")), content = at.required("content").text()] {
    return by_whole_tokens([=](std::string& token, bool, const DecodedSink& sink) {
      std::vector<SplitPart> parts;
      find(token, parts);
      std::string out;
      for (const SplitPart& part : parts)
        out += part.matches ? std::string_view(content)
                            : std::string_view(token).substr(part.begin, part.end - part.begin);
      sink({.text = out});
    });
  };
}

// A speech model's tokens, one a frame: those that repeat are one, and the padding between is none.
MakeDecodeStep read_ctc(const JsonPlace& at, StageNotes&) {
  return [pad = at["pad_token"].text_or("<pad>"), border = at["word_delimiter_token"].text_or("|"),
          cleanup = at["cleanup"].flag_or(true)] {
    return by_whole_tokens(
        [=, last = std::string()](std::string& token, bool first, const DecodedSink& sink) mutable {
          if (!first && token == last) return;
          last = token;
          replace_all(token, pad, "");
          if (cleanup) {
            clean_up(token);
            replace_all(token, border, " ");
          }
          if (!token.empty()) sink({.text = token});
        });
  };
}

constexpr StageKind<MakeDecodeStep> kinds[] = {
    {"ByteLevel", {"add_prefix_space", "trim_offsets", "use_regex"}, read_byte_level},
    {"Metaspace", {"replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"}, read_metaspace},
    {"WordPiece", {"prefix", "cleanup"}, read_word_piece},
    {"BPEDecoder", {"suffix"}, read_bpe},
    {"ByteFallback", {}, read_byte_fallback},
    {"Fuse", {}, read_fuse},
    {"Strip", {"content", "start", "stop"}, read_strip},
    {"Replace", {"pattern", "content"}, read_replace},
    {"CTC", {"pad_token", "word_delimiter_token", "cleanup"}, read_ctc},
};

}  // namespace

std::vector<MakeDecodeStep> read_decoder(const JsonPlace& at, StageNotes& notes) {
  if (at.is_null()) {  // tokens with a space between
    return {[] {
      return by_whole_tokens([](std::string& token, bool first, const DecodedSink& sink) {
        if (!first) token.insert(0, " ");
        sink({.text = token});
      });
    }};
  }
  if (at.type() != "Sequence") return {read_stage(kinds, "decoder", at, notes)};
  std::vector<MakeDecodeStep> all;
  for (const JsonPlace& one : at.required("decoders").elements())
    for (MakeDecodeStep& step : read_decoder(one, notes)) all.push_back(std::move(step));
  return all;
}

}  // namespace hone
