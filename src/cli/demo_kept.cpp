#include "cli/demo_kept.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/kept_file.hpp"

namespace hone::cli {
namespace {

// The numbers of a row by their keys, which are those of the commands' own reports.
constexpr std::pair<const char*, double CompressionRow::*> numbers[] = {
    {"bytes", &CompressionRow::bytes},
    {"bits_a_weight", &CompressionRow::bits_a_weight},
    {"perplexity", &CompressionRow::perplexity},
    {"perplexity_low", &CompressionRow::low},
    {"perplexity_high", &CompressionRow::high},
    {"kl", &CompressionRow::kl},
    {"flipped", &CompressionRow::flipped},
    {"prefill_tokens_per_s", &CompressionRow::prefill_tokens_per_s},
    {"decode_tokens_per_s", &CompressionRow::decode_tokens_per_s},
};

SmallerModel model_of(const nlohmann::json& j) {
  SmallerModel m;
  m.folder = j.value("folder", "");
  m.row.name = j.value("technique", "");
  m.note = j.value("note", "");
  for (const auto& [key, number] : numbers)
    if (const auto it = j.find(key); it != j.end() && it->is_number()) m.row.*number = it->get<double>();
  return m;
}

}  // namespace

JsonLine json_of(const SmallerModel& m) {
  JsonLine line;
  line.add("technique", m.row.name).add("folder", m.folder);
  for (const auto& [key, number] : numbers) line.add(key, m.row.*number);
  return line.add("note", m.note);
}

KeptModels::KeptModels(std::string path, const std::string& weights_hash)
    : path_(std::move(path)), weights_hash_(weights_hash) {
  if (!std::filesystem::exists(path_)) return;
  const std::string text = kept_text(path_);
  were_there_ = true;
  const auto kept = nlohmann::json::parse(text, nullptr, false);
  of_other_weights_ = !kept.is_object() || kept.value("weights_hash", "") != weights_hash;
  if (of_other_weights_) return;
  for (const auto& model : kept.value("models", nlohmann::json::array())) models_.push_back(model_of(model));
}

const SmallerModel* KeptModels::find(const std::string& folder) const {
  const auto it = std::ranges::find(models_, folder, &SmallerModel::folder);
  return it == models_.end() ? nullptr : &*it;
}

void KeptModels::add(const SmallerModel& model) {
  models_.push_back(model);
  write();
}

void KeptModels::write() const {
  std::vector<JsonLine> models;
  for (const SmallerModel& m : models_) models.push_back(json_of(m));
  const std::string part = path_ + ".part";
  {
    std::ofstream file(part);
    file << JsonLine().add("weights_hash", weights_hash_).add("models", models).text() << '\n';
    file.close();
    if (!file) throw Error(ErrorKind::failed, {.what = "cannot write", .where = part});
  }
  std::filesystem::rename(part, path_);
}

}  // namespace hone::cli
