#include "train/checkpoint_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "file/json.hpp"
#include "hone/error.hpp"

namespace hone {
namespace {

constexpr std::int64_t checkpoint_format = 2;

[[noreturn]] void refuse_state(const std::string& where, const char* what, const char* expected,
                               std::string found) {
  throw Error(ErrorKind::input,
              {.what = what, .where = where, .expected = expected, .found = std::move(found)});
}

LossScaler::State scaling_state(const nlohmann::json& json, std::int64_t steps, const std::string& where) {
  const auto whole = [&](const char* key) { return json_integer(json, key, where); };
  const std::int64_t log2_scale = whole("log2_scale");
  const LossScaler::State s{
      .scale = std::ldexp(1.0f, static_cast<int>(std::clamp<std::int64_t>(log2_scale, -999, 999))),
      .good_steps = whole("good_steps"),
      .overflows = whole("overflows"),
      .skipped = whole("skipped")};
  if (!std::isnormal(s.scale) || s.good_steps < 0 || s.overflows < 0 || s.skipped < 0 || s.skipped > steps)
    refuse_state(where, "the state of the loss scaling is impossible",
                 "log2_scale from -126 to 127, counts from 0 to steps", json.dump());
  return s;
}

}  // namespace

std::string checkpoint_state_text(const CheckpointState& state) {
  nlohmann::json json{{"format", checkpoint_format}, {"steps", state.steps}, {"optimizer", state.optimizer},
                      {"task", state.task},          {"files", state.files}, {"notes", state.notes}};
  if (state.scaling)
    json["loss_scaling"] = {{"log2_scale", std::ilogb(state.scaling->scale)},
                            {"good_steps", state.scaling->good_steps},
                            {"overflows", state.scaling->overflows},
                            {"skipped", state.scaling->skipped}};
  return json.dump(2) + "\n";
}

CheckpointState parse_checkpoint_state(std::string_view text, const std::string& where) {
  const nlohmann::json json = parse_json(text, where);
  if (const std::int64_t format = json_integer(json, "format", where); format != checkpoint_format)
    throw Error(ErrorKind::input, {.what = "not a checkpoint that this version reads",
                                   .where = where,
                                   .expected = fmt::format("format {}", checkpoint_format),
                                   .found = std::to_string(format)});
  CheckpointState state{.steps = json_integer(json, "steps", where),
                        .optimizer = json_string(json, "optimizer", where),
                        .task = json_string(json, "task", where)};
  if (state.steps < 0) refuse_state(where, "no number of steps", "0 or more", std::to_string(state.steps));
  for (const auto& name : json_member(json, "files", where)) {
    if (!name.is_string()) refuse_state(where, "\"files\" holds what is no name", "strings", name.dump());
    state.files.insert(name.get<std::string>());
  }
  const auto& notes = json_member(json, "notes", where);
  if (!notes.is_object()) refuse_state(where, "\"notes\" is of another type", "an object", notes.type_name());
  for (const auto& item : notes.items())
    state.notes[item.key()] = json_string(notes, item.key().c_str(), where);
  if (json.contains("loss_scaling"))
    state.scaling = scaling_state(json_member(json, "loss_scaling", where), state.steps, where);
  return state;
}

}  // namespace hone
