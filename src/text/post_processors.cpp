// Post-processors: the special tokens around the ids of a text.
#include <utility>

#include "text/stages.hpp"

namespace hone {
namespace {

constexpr std::int64_t largest_id = 1 << 30;

std::int32_t id_of(const JsonPlace& at) {
  const std::int64_t id = at.whole();
  if (id < 0 || id > largest_id) at.refuse("not a token's id", at.shown());
  return static_cast<std::int32_t>(id);
}

// ["[SEP]", 102]
std::int32_t named_id(const JsonPlace& at) {
  if (at.elements().size() != 2) at.refuse("a token's name and its id were expected", at.shown());
  return id_of(at[std::size_t{1}]);
}

Template around(const JsonPlace& begin, const JsonPlace& end) {
  return {{.ids = {named_id(begin)}}, {.text = true}, {.ids = {named_id(end)}}};
}

Template read_bert(const JsonPlace& at, StageNotes&) {
  return around(at.required("cls"), at.required("sep"));
}

Template read_byte_level(const JsonPlace&, StageNotes&) { return {{.text = true}}; }

Template read_template(const JsonPlace& at, StageNotes&) {
  Template all;
  const JsonPlace known = at["special_tokens"];
  for (const JsonPlace& item : at.required("single").elements()) {
    const JsonPlace special = item["SpecialToken"], text = item["Sequence"];
    if (!text.is_null()) {
      if (const JsonPlace which = text.required("id"); which.text() != "A")
        which.refuse("a single text has no other sequence than A", which.shown());
      all.push_back({.text = true});
      continue;
    }
    if (special.is_null()) item.refuse("neither a Sequence nor a SpecialToken", item.shown());
    const std::string name = special.required("id").text();
    TemplateItem tokens;
    for (const JsonPlace& id : known.required(name.c_str()).required("ids").elements())
      tokens.ids.push_back(id_of(id));
    all.push_back(std::move(tokens));
  }
  return all;
}

// Each puts its own around what those before it made.
Template read_sequence(const JsonPlace& at, StageNotes& notes) {
  Template all{{.text = true}};
  for (const JsonPlace& one : at.required("processors").elements()) {
    Template outer;
    for (TemplateItem& item : read_post_processor(one, notes))
      if (item.text)
        outer.insert(outer.end(), all.begin(), all.end());
      else
        outer.push_back(std::move(item));
    all = std::move(outer);
    if (all.size() > 1000) at.refuse("the templates of these processors grow without end");
  }
  return all;
}

constexpr StageKind<Template> kinds[] = {
    {"TemplateProcessing", {"single", "pair", "special_tokens"}, read_template},
    {"BertProcessing", {"sep", "cls"}, read_bert},
    {"RobertaProcessing", {"sep", "cls", "trim_offsets", "add_prefix_space"}, read_bert},
    {"ByteLevel", {"add_prefix_space", "trim_offsets", "use_regex"}, read_byte_level},
    {"Sequence", {"processors"}, read_sequence},
};

}  // namespace

Template read_post_processor(const JsonPlace& at, StageNotes& notes) {
  if (at.is_null()) return {{.text = true}};
  return read_stage(kinds, "post_processor", at, notes);
}

}  // namespace hone
