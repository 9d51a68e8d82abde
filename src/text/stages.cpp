#include "text/stages.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace hone {

void note_unknown_keys(const JsonPlace& at, std::span<const std::string_view> known, StageNotes& notes) {
  if (!at.json().is_object()) return;
  for (const auto& member : at.json().items()) {
    const std::string& key = member.key();
    if (key == "type" || std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string path = at.path().empty() ? key : at.path() + "." + key;
    if (path.starts_with("added_tokens[")) path.erase(12, path.find(']') - 11);  // the same in each of them
    const std::string name = nlohmann::json(path).dump(-1, ' ', true);
    if (std::find(notes.unknown_keys.begin(), notes.unknown_keys.end(), name) == notes.unknown_keys.end())
      notes.unknown_keys.push_back(name);
  }
}

void refuse_stage(const JsonPlace& at, std::string_view stage, const std::string& known) {
  const std::string type = at.type();
  at.refuse(type.empty() ? "the " + std::string(stage) + " has no type"
                         : "a " + std::string(stage) + " of the type " + type + " is not supported",
            at.shown(), "hone knows " + known);
}

}  // namespace hone
