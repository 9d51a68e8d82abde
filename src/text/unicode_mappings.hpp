// Normal forms, lower case, scripts, and the sets of characters that some normalizers ask for: as Hugging
// Face's tokenizers 0.23 has them, each of the Unicode version that that part of it has. (ICU or utf8proc
// would bring the system's version, and with it other ids.)
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/code_points.hpp"

namespace hone {

// unicode_mappings_data.cpp and unicode_scripts_data.cpp; PackedNumbers reads them.
extern const std::string_view decomposition_table, combining_class_table, lower_case_table,
    strip_accents_table, bert_accents_table, bert_control_table, punctuation_table, split_script_table,
    script_table;
extern const std::string_view script_names[];
extern const std::size_t script_count;

enum class NormalForm { nfd, nfc, nfkd, nfkc };

// Bytes that are no UTF-8 stay as they are; nothing composes with them.
std::string normalized(std::string_view text, NormalForm form);

void append_lower_case(std::string& text, std::uint32_t c);
// The code point's lower case, where that is one; else itself.
std::uint32_t simple_lower_case(std::uint32_t c);
// With every character of `set` those that differ from it in case only.
CodePointSet with_other_cases(const CodePointSet& set);

bool is_white_space(std::uint32_t c);                   // White_Space, as \s
const CodePointSet& strip_accents_set();                // what StripAccents takes away
const CodePointSet& bert_accents_set();                 // what BertNormalizer takes away as accents,
const CodePointSet& bert_control_set();                 // and as control characters
const CodePointSet& punctuation_set();                  // what Punctuation and BertPreTokenizer split at
const CodePointSet& numeric_set();                      // what Digits splits at
const CodePointSet* script_set(std::string_view name);  // Han, Latin, ...: null for no script
std::uint8_t split_script(std::uint32_t c);             // what UnicodeScripts keeps together; 0: any script's

}  // namespace hone
