#include "train/soft_label_shards.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/types.hpp"
#include "file/checksums.hpp"
#include "file/mapped.hpp"

namespace hone {
namespace {

constexpr std::int64_t usual_shard_bytes = std::int64_t{16} << 20;  // before packing
constexpr const char* identity_key = "soft_labels";
constexpr const char* steps_key = "steps";

std::int64_t ids_of(const SoftLabelShape& s) { return s.count * s.positions * s.known; }
std::int64_t masses_of(const SoftLabelShape& s) { return s.count * s.positions * (s.known + 1); }

std::string ids_name(std::int64_t step) { return fmt::format("{}.ids", step); }
std::string masses_name(std::int64_t step) { return fmt::format("{}.masses", step); }

std::vector<f16> narrowed(std::span<const float> masses) {
  std::vector<f16> narrow(masses.size());
  std::ranges::transform(masses, narrow.begin(), [](float x) { return to_f16(x); });
  return narrow;
}

[[noreturn]] void refuse_damaged(const std::string& path, const std::string& what) {
  throw Error(ErrorKind::input, {.what = "a shard of soft labels is " + what,
                                 .where = path,
                                 .hint = "remove it: the next run makes it again"});
}

}  // namespace

SoftLabelShards::SoftLabelShards(std::string folder, SoftLabelShape shape)
    : folder_(std::move(folder)),
      shape_(std::move(shape)),
      steps_a_shard_(std::clamp<std::int64_t>(
          usual_shard_bytes / (4 * ids_of(shape_) + 2 * masses_of(shape_)), 1, 1000)) {
  const std::string first = name(0);
  if (!is_file(first)) return;
  const SafetensorsFile file(first);
  const auto found = file.metadata().find(identity_key);
  if (found == file.metadata().end() || found->second != shape_.identity)
    throw Error(ErrorKind::usage,
                {.what = "the folder keeps the soft labels of another teacher, text or batch",
                 .where = folder_,
                 .expected = shape_.identity,
                 .found = found == file.metadata().end() ? "none" : found->second,
                 .hint = "name another folder"});
}

std::string SoftLabelShards::name(std::int64_t shard) const {
  return fmt::format("{}/soft-{:08}.safetensors.packed", folder_, shard * steps_a_shard_);
}

std::int64_t SoftLabelShards::steps_in(std::int64_t shard) const {
  if (!is_file(name(shard))) return 0;
  try {
    const SafetensorsFile file(name(shard));
    const auto steps = file.metadata().find(steps_key);
    return steps == file.metadata().end() ? 0 : std::atoll(steps->second.c_str());
  } catch (const Error&) {
    return 0;
  }
}

std::int64_t SoftLabelShards::missing(std::int64_t steps) const {
  std::int64_t missing = 0;
  for (std::int64_t first = 0; first < steps; first += steps_a_shard_) {
    const std::int64_t wanted = std::min(steps_a_shard_, steps - first);
    if (steps_in(first / steps_a_shard_) < wanted) missing += wanted;
  }
  return missing;
}

void SoftLabelShards::fill(std::int64_t steps, const Make& make, const std::stop_token& stop) {
  make_folders(folder_);
  const FolderLock lock(folder_);
  for (std::int64_t first = 0; first < steps && !stop.stop_requested(); first += steps_a_shard_) {
    const std::int64_t shard = first / steps_a_shard_, wanted = std::min(steps_a_shard_, steps - first);
    if (steps_in(shard) < wanted) write(shard, wanted, make, stop);
  }
}

void SoftLabelShards::write(std::int64_t shard, std::int64_t steps, const Make& make,
                            const std::stop_token& stop) {
  std::vector<SafetensorsSpec> specs;
  for (std::int64_t step = 0; step < steps; ++step) {
    specs.push_back({ids_name(step), "I32", {shape_.count, shape_.positions, shape_.known}});
    specs.push_back({masses_name(step), "F16", {shape_.count, shape_.positions, shape_.known + 1}});
  }
  SafetensorsWriter out(name(shard), specs,
                        {{identity_key, shape_.identity}, {steps_key, std::to_string(steps)}},
                        {.packed = true});
  for (std::int64_t step = 0; step < steps; ++step) {
    if (stop.stop_requested()) return;
    const SoftLabels soft = make(shard * steps_a_shard_ + step);
    out.write(ids_name(step), std::as_bytes(std::span(soft.ids)));
    const std::vector<f16> masses = narrowed(soft.masses);
    out.write(masses_name(step), std::as_bytes(std::span(masses)));
  }
  out.finish();
  Checksums checksums;
  if (is_file(folder_ + "/" + checksums_file)) checksums = read_checksums(folder_);
  checksums[name(shard).substr(folder_.size() + 1)] = out.digest();
  out.commit();
  write_file(folder_ + "/" + checksums_file, checksum_lines(checksums));
  current_ = -1;
}

SoftLabels SoftLabelShards::read(std::int64_t step) {
  const std::int64_t shard = step / steps_a_shard_, within = step % steps_a_shard_;
  const std::string path = name(shard);
  if (shard != current_) {
    current_ = -1;
    if (!is_file(path)) refuse_damaged(path, "missing");
    const Checksums checksums = read_checksums(folder_);
    const auto known = checksums.find(path.substr(folder_.size() + 1));
    if (known == checksums.end() || hash_file(path) != known->second)
      refuse_damaged(path, "altered or damaged");
    file_ = std::make_unique<SafetensorsFile>(path);
    current_ = shard;
  }
  SoftLabels soft{.count = shape_.count};
  soft.ids.resize(static_cast<std::size_t>(ids_of(shape_)));
  std::vector<f16> masses(static_cast<std::size_t>(masses_of(shape_)));
  file_->read(file_->at(ids_name(within)), std::as_writable_bytes(std::span(soft.ids)));
  file_->read(file_->at(masses_name(within)), std::as_writable_bytes(std::span(masses)));
  for (const f16 mass : masses) soft.masses.push_back(to_f32(mass));
  return soft;
}

}  // namespace hone
