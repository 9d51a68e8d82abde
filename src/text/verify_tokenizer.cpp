#include <nlohmann/json.hpp>

#include "file/json.hpp"
#include "text/json_place.hpp"
#include "text/tokenizer_impl.hpp"

namespace hone {
namespace {

using Ids = std::vector<std::int32_t>;

std::string shown(const Ids& ids) {
  std::string text = "[";
  for (const std::int32_t id : ids) text += (text.size() > 1 ? ", " : "") + std::to_string(id);
  return text + "]";
}

Ids ids_of(const JsonPlace& at) {
  Ids ids;
  for (const JsonPlace& id : at.elements()) ids.push_back(static_cast<std::int32_t>(id.whole()));
  return ids;
}

struct Difference {
  std::string what, expected, found;
};

// The first that one text shows.
std::optional<Difference> difference(const Tokenizer& tokenizer, const JsonPlace& golden,
                                     std::int64_t& compared) {
  const std::string text = golden.required("text").text();
  for (const bool specials : {true, false}) {
    const char* key = specials ? "ids" : "ids_without_specials";
    if (golden[key].is_null()) continue;
    const Ids expected = ids_of(golden[key]), found = tokenizer.encode(text, specials);
    compared += std::ssize(expected);
    if (found != expected) return Difference{key, shown(expected), shown(found)};
  }
  for (const bool specials : {false, true}) {
    const char* key = specials ? "decoded_with_specials" : "decoded";
    if (golden[key].is_null() || golden["ids"].is_null()) continue;
    const std::string expected = golden[key].text();
    const std::string found = as_utf8(tokenizer.decode(ids_of(golden["ids"]), specials));
    if (found != expected) return Difference{key, expected, found};
  }
  return std::nullopt;
}

}  // namespace

TokenizerReport verify_tokenizer(const Tokenizer& tokenizer, const std::string& golden_file) {
  const nlohmann::json root = read_json(golden_file);
  TokenizerReport report;
  for (const JsonPlace& golden : JsonPlace(root, golden_file).elements()) {
    ++report.texts;
    const auto differs = difference(tokenizer, golden, report.ids);
    if (!differs) continue;
    if (report.differing++ == 0) {
      report.text = golden["text"].text();
      report.what = differs->what;
      report.expected = differs->expected;
      report.found = differs->found;
    }
  }
  report.ok = report.differing == 0;
  return report;
}

}  // namespace hone
