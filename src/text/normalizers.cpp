// Normalizers: what becomes of the text between added tokens before it is cut into words. Behaviour follows
// Hugging Face's tokenizers 0.23, slips included, for ids hang on it.
#include <algorithm>
#include <memory>
#include <utility>

#include "base/utf8.hpp"
#include "text/precompiled.hpp"
#include "text/split_by.hpp"
#include "text/stages.hpp"
#include "text/unicode_mappings.hpp"

namespace hone {
namespace {

constexpr std::uint32_t replacement_character = 0xFFFD;

// Rewrites character by character; bytes that are no UTF-8 stay.
template <class Put>
void rewrite(std::string& text, const Put& put) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.bytes == 0)
      out += text[at++];
    else {
      put(out, c.value);
      at += c.bytes;
    }
  }
  text = std::move(out);
}

Normalizer form_of(NormalForm form) {
  return [form](std::string& text, TextPlace) { text = normalized(text, form); };
}

template <NormalForm form>
Normalizer read_form(const JsonPlace&, StageNotes&) {
  return form_of(form);
}

void lower(std::string& text) {
  rewrite(text, [](std::string& out, std::uint32_t c) { append_lower_case(out, c); });
}

void drop(std::string& text, const CodePointSet& set) {
  rewrite(text, [&](std::string& out, std::uint32_t c) {
    if (!set.contains(c)) append_utf8(out, c);
  });
}

Normalizer read_lowercase(const JsonPlace&, StageNotes&) {
  return [](std::string& text, TextPlace) { lower(text); };
}

// Marks that stand apart only: it does not decompose.
Normalizer read_strip_accents(const JsonPlace&, StageNotes&) {
  return [](std::string& text, TextPlace) { drop(text, strip_accents_set()); };
}

const CodePointSet& chinese_set() {
  static const CodePointSet set({{0x3400, 0x4DBF},
                                 {0x4E00, 0x9FFF},
                                 {0xF900, 0xFAFF},
                                 {0x20000, 0x2A6DF},
                                 {0x2A700, 0x2B81F},
                                 {0x2B920, 0x2CEAF},
                                 {0x2F800, 0x2FA1F}});
  return set;
}

Normalizer read_bert(const JsonPlace& at, StageNotes&) {
  const bool clean = at["clean_text"].flag_or(true), chinese = at["handle_chinese_chars"].flag_or(true),
             lowercase = at["lowercase"].flag_or(true), strip = at["strip_accents"].flag_or(lowercase);
  return [=](std::string& text, TextPlace) {
    if (clean)
      rewrite(text, [](std::string& out, std::uint32_t c) {
        if (c == 0 || c == replacement_character || bert_control_set().contains(c)) return;
        append_utf8(out, is_white_space(c) ? ' ' : c);
      });
    if (chinese)
      rewrite(text, [](std::string& out, std::uint32_t c) {
        const bool apart = chinese_set().contains(c);
        if (apart) out += ' ';
        append_utf8(out, c);
        if (apart) out += ' ';
      });
    if (strip) {
      text = normalized(text, NormalForm::nfd);
      drop(text, bert_accents_set());
    }
    if (lowercase) lower(text);
  };
}

Normalizer read_strip(const JsonPlace& at, StageNotes&) {
  const bool left = at["strip_left"].flag_or(true), right = at["strip_right"].flag_or(true);
  return [left, right](std::string& text, TextPlace) {
    std::size_t begin = text.size(), end = 0;  // of what is no white space
    for (std::size_t i = 0; i < text.size();) {
      const CodePoint c = code_point_at(text, i);
      const std::size_t bytes = std::max<std::size_t>(1, c.bytes);
      if (c.bytes == 0 || !is_white_space(c.value)) {
        begin = std::min(begin, i);
        end = i + bytes;
      }
      i += bytes;
    }
    if (right) text.resize(std::max(end, begin == text.size() && !left ? std::size_t{0} : end));
    if (left) text.erase(0, std::min(begin, text.size()));
  };
}

Normalizer read_prepend(const JsonPlace& at, StageNotes&) {
  return [prefix = at.required("prepend").text()](std::string& text, TextPlace place) {
    if (!text.empty() && !place.continued) text.insert(0, prefix);
  };
}

Normalizer read_replace(const JsonPlace& at, StageNotes&) {
  return [find = read_pattern(at.required("pattern")), content = at.required("content").text()](
             std::string& text, TextPlace) {
    std::vector<SplitPart> parts;
    find(text, parts);
    if (std::none_of(parts.begin(), parts.end(), [](const SplitPart& p) { return p.matches; })) return;
    std::string out;
    for (const SplitPart& part : parts)
      out += part.matches ? std::string_view(content)
                          : std::string_view(text).substr(part.begin, part.end - part.begin);
    text = std::move(out);
  };
}

// Control characters of machine translation's corpora, and what they count for a space.
Normalizer read_nmt(const JsonPlace&, StageNotes&) {
  static const CodePointSet removed(
      {{0x1, 0x8}, {0xB, 0xB}, {0xE, 0x1F}, {0x7F, 0x7F}, {0x8F, 0x8F}, {0x9F, 0x9F}});
  static const CodePointSet spaces({{0x9, 0xA},
                                    {0xC, 0xD},
                                    {0x20, 0x20},
                                    {0x1680, 0x1680},
                                    {0x200B, 0x200F},
                                    {0x2028, 0x2029},
                                    {0x2581, 0x2581},
                                    {0xFEFF, 0xFEFF},
                                    {0xFFFD, 0xFFFD}});
  return [](std::string& text, TextPlace) {
    rewrite(text, [](std::string& out, std::uint32_t c) {
      if (!removed.contains(c)) append_utf8(out, spaces.contains(c) ? ' ' : c);
    });
  };
}

Normalizer read_precompiled(const JsonPlace& at, StageNotes&) {
  return [map = std::make_shared<const CharacterMap>(at.required("precompiled_charsmap"))](
             std::string& text, TextPlace) { text = map->apply(text); };
}

Normalizer read_byte_level(const JsonPlace&, StageNotes&) {
  return [](std::string& text, TextPlace) { text = to_byte_characters(text); };
}

Normalizer read_sequence(const JsonPlace& at, StageNotes& notes) {
  std::vector<Normalizer> all;
  for (const JsonPlace& one : at.required("normalizers").elements())
    all.push_back(read_normalizer(one, notes));
  if (all.empty()) return {};
  return [all = std::move(all)](std::string& text, TextPlace place) {
    for (const Normalizer& one : all)
      if (one) one(text, place);
  };
}

constexpr StageKind<Normalizer> kinds[] = {
    {"NFC", {}, read_form<NormalForm::nfc>},
    {"NFD", {}, read_form<NormalForm::nfd>},
    {"NFKC", {}, read_form<NormalForm::nfkc>},
    {"NFKD", {}, read_form<NormalForm::nfkd>},
    {"Lowercase", {}, read_lowercase},
    {"StripAccents", {}, read_strip_accents},
    {"BertNormalizer", {"clean_text", "handle_chinese_chars", "strip_accents", "lowercase"}, read_bert},
    {"Strip", {"strip_left", "strip_right"}, read_strip},
    {"Prepend", {"prepend"}, read_prepend},
    {"Replace", {"pattern", "content"}, read_replace},
    {"Nmt", {}, read_nmt},
    {"Precompiled", {"precompiled_charsmap"}, read_precompiled},
    {"ByteLevel", {}, read_byte_level},
    {"Sequence", {"normalizers"}, read_sequence},
};

}  // namespace

Normalizer read_normalizer(const JsonPlace& at, StageNotes& notes) {
  if (at.is_null()) return {};
  return read_stage(kinds, "normalizer", at, notes);
}

}  // namespace hone
