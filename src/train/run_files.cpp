#include "train/run_files.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/number.hpp"
#include "file/atomic.hpp"
#include "file/mapped.hpp"

namespace hone {
namespace {

std::string number(float value) { return to_text(static_cast<double>(value), 9); }

constexpr const char* checkpoint_prefix = "step-";

}  // namespace

std::map<std::string, std::string> fingerprint(const TrainingRun& run, const TrainPlan& plan,
                                               const Text& text) {
  const auto& o = plan.options();
  static constexpr const char* schedules[] = {"constant", "linear", "cosine"};
  return {{"model", plan.model().config_json()},
          {"batch", std::to_string(o.batch)},
          {"seq", std::to_string(o.seq)},
          {"precision", name(o.precision)},
          {"seed", std::to_string(o.seed)},
          {"isa", o.isa},
          {"lr", number(run.adamw.lr)},
          {"min-lr", number(run.min_lr)},
          {"schedule", schedules[static_cast<int>(run.schedule)]},
          {"warmup", std::to_string(run.warmup)},
          {"beta1", number(run.adamw.beta1)},
          {"beta2", number(run.adamw.beta2)},
          {"weight-decay", number(run.adamw.weight_decay)},
          {"clip", number(run.adamw.clip)},
          {"data",
           std::to_string(text.all_tokens()) + " tokens, " + std::to_string(text.all_bytes()) + " bytes"}};
}

std::vector<std::string> RunFolder::checkpoints() const {
  std::vector<std::string> names;
  std::error_code ignored;  // no folder, no checkpoints
  for (const auto& entry : std::filesystem::directory_iterator(path_ + "/checkpoints", ignored)) {
    const std::string name = entry.path().filename().string();
    const bool whole = name.find(".tmp") == std::string::npos;  // a save that was killed leaves one
    if (whole && name.rfind(checkpoint_prefix, 0) == 0) names.push_back(entry.path().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::string> RunFolder::last_checkpoint() const {
  const auto all = checkpoints();
  return all.empty() ? std::nullopt : std::optional(all.back());
}

void RunFolder::save(const Trainer& trainer, const std::map<std::string, std::string>& notes) const {
  char name[32];
  std::snprintf(name, sizeof name, "%s%08lld", checkpoint_prefix, static_cast<long long>(trainer.steps()));
  make_folders(path_ + "/checkpoints");
  trainer.save_checkpoint(path_ + "/checkpoints/" + name, notes);
  auto all = checkpoints();
  for (std::size_t i = 0; i + 2 < all.size(); ++i) std::filesystem::remove_all(all[i]);
}

std::map<std::string, std::string> RunFolder::resume(Trainer& trainer, const std::string& checkpoint,
                                                     const std::map<std::string, std::string>& notes) const {
  auto kept = trainer.resume(checkpoint);
  for (const auto& [option, was] : kept) {
    const auto now = notes.find(option);
    if (now == notes.end() || now->second == was) continue;
    throw Error(ErrorKind::usage, {.what = "the run in this folder was started with another --" + option,
                                   .where = path_,
                                   .expected = was,
                                   .found = now->second,
                                   .hint = "use --resume never to begin anew, or another --out"});
  }
  return kept;
}

void RunFolder::remove_checkpoints() const {
  for (const std::string& one : checkpoints()) std::filesystem::remove_all(one);
}

}  // namespace hone
