// A file of pairs, line by line: SOURCE TAB TARGET, or an object of JSON.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace hone {

struct PairText {
  std::string_view source, target;
  std::int64_t line;  // from 1
};

// Members of an object of JSON; empty where none are named.
struct PairFields {
  std::string source{}, target{};
};

// "pairs.tsv, line 7"
std::string line_of(const std::string& path, std::int64_t line);

// JSON by its name (.jsonl, .ndjson) or, of a name that is no .tsv either, by its first character; packed by
// gzip or Zstandard or not. Empty lines are passed over. Error(input) with file and line: a half that is
// missing or empty, a third column, what is no UTF-8 or no JSON.
void read_pairs(const std::string& path, const PairFields& fields,
                const std::function<void(const PairText&)>& visit);

}  // namespace hone
