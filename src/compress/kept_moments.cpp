#include "compress/kept_moments.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "file/mapped.hpp"
#include "hone/calibration.hpp"

namespace hone {
namespace {

constexpr const char* format = "hone moments 3";
constexpr const char* digest_name = "digest";  // of all tensors before it, in hex
constexpr std::int64_t digest_digits = 32;

std::map<std::string, std::string> metadata_of(const MomentsOf& of) {
  return {{"format", format},
          {"model", of.model},
          {"config", of.config},
          {"text", of.text},
          {"windows", std::to_string(of.windows)},
          {"seq", std::to_string(of.seq)}};
}

// A triangle, and the ranges behind it.
std::int64_t numbers(std::int64_t width) { return width * (width + 3) / 2; }

std::vector<SafetensorsSpec> tensors_of(const std::vector<MomentsSpec>& specs) {
  std::vector<SafetensorsSpec> tensors;
  for (const MomentsSpec& spec : specs) tensors.push_back({spec.weight, "F32", {numbers(spec.width)}});
  tensors.push_back({digest_name, "U8", {digest_digits}});
  return tensors;
}

std::int64_t width_of(std::int64_t elements) {
  return std::lround((std::sqrt(8 * static_cast<double>(elements) + 9) - 3) / 2);
}

}  // namespace

MomentsWriter::MomentsWriter(const std::string& path, const MomentsOf& of,
                             const std::vector<MomentsSpec>& specs)
    : file_(path, tensors_of(specs), metadata_of(of)) {}

void MomentsWriter::add(const LayerMoments& layer) {
  std::set<const Moments*> seen;
  for (const auto& [weight, moments] : layer.inputs) {
    if (!seen.insert(moments.get()).second) continue;
    const auto write = [&, name = std::string_view(weight)](std::span<const float> row) {
      file_.write(name, std::as_bytes(row));
      digest_.add(std::as_bytes(row));
    };
    for (std::int64_t i = 0; i < moments->width; ++i)
      write(std::span(moments->sum)
                .subspan(static_cast<std::size_t>(i * moments->width), static_cast<std::size_t>(i + 1)));
    write(moments->largest);
  }
}

void MomentsWriter::commit() {
  const std::string hex = digest_.hex();
  file_.write(digest_name, std::as_bytes(std::span(hex)));
  file_.commit();
}

namespace {

constexpr const char* what_to_do = "name another file, which will be made, or remove this one";

SafetensorsFile opened(const std::string& path) {
  try {
    return SafetensorsFile(path);
  } catch (const Error& e) {
    ErrorText text = e.text();
    text.what = "the file is no calibration: " + text.what;
    text.hint = what_to_do;
    throw Error(e.kind(), text);
  }
}

}  // namespace

MomentsFile::MomentsFile(const std::string& path, const MomentsOf& of) : file_(opened(path)) {
  if (!file_.metadata().contains("windows"))
    throw Error(ErrorKind::input, {.what = "the file is no calibration",
                                   .where = path,
                                   .expected = "one that an earlier command made",
                                   .found = "other tensors",
                                   .hint = what_to_do});
  static const std::map<std::string, std::string> meant{{"format", "is of another kind"},
                                                        {"model", "was measured on another model"},
                                                        {"config", "was measured with another config"},
                                                        {"text", "was measured on another text"},
                                                        {"windows", "was measured on another sample"},
                                                        {"seq", "was measured on another sample"}};
  for (const auto& [key, expected] : metadata_of(of)) {
    const auto found = file_.metadata().find(key);
    if (found != file_.metadata().end() && found->second == expected) continue;
    throw Error(ErrorKind::input, {.what = "the calibration " + meant.at(key),
                                   .where = path,
                                   .expected = key + " " + expected,
                                   .found = found == file_.metadata().end() ? "none" : found->second,
                                   .hint = what_to_do});
  }
  require_whole();
}

void MomentsFile::require_whole() const {
  Digest digest;
  std::vector<std::byte> bytes;
  for (const SafetensorsEntry& entry : file_.entries()) {
    bytes.resize(entry.bytes);
    file_.read(entry, bytes);
    if (entry.name != digest_name) digest.add(bytes);
  }
  const std::string hex = digest.hex();
  if (std::ranges::equal(bytes, std::as_bytes(std::span(hex)))) return;
  throw Error(ErrorKind::input, {.what = "the calibration is damaged",
                                 .where = file_.path(),
                                 .expected = "digest " + hex + " behind its numbers",
                                 .found = "another one",
                                 .hint = "remove it: it is made anew"});
}

Moments MomentsFile::read(const std::string& weight, std::int64_t positions) const {
  const SafetensorsEntry& entry = file_.at(weight);
  const std::int64_t elements = entry.shape.size() == 1 ? entry.shape[0] : 0, width = width_of(elements);
  if (entry.dtype != "F32" || elements < 1 || numbers(width) != elements)
    throw Error(ErrorKind::input, {.what = "the calibration is damaged",
                                   .where = file_.path() + ", tensor " + weight,
                                   .expected = "F32 [K (K + 3) / 2]",
                                   .found = type_text(entry.dtype, entry.shape)});
  std::vector<float> rows(static_cast<std::size_t>(elements));
  file_.read(entry, std::as_writable_bytes(std::span(rows)));
  Moments m{.width = width,
            .positions = positions,
            .sum = std::vector<float>(static_cast<std::size_t>(width * width))};
  std::size_t at = 0;
  for (std::int64_t i = 0; i < width; ++i)
    for (std::int64_t j = 0; j <= i; ++j, ++at)
      m.sum[static_cast<std::size_t>(i * width + j)] = m.sum[static_cast<std::size_t>(j * width + i)] =
          rows[at];
  m.largest.assign(rows.begin() + static_cast<std::ptrdiff_t>(at), rows.end());
  return m;
}

void require_calibration_file(const std::string& path) {
  if (is_file(path)) return;
  std::error_code unreadable;
  if (std::filesystem::exists(std::filesystem::symlink_status(path, unreadable)))
    throw Error(ErrorKind::input, {.what = "no file for a calibration",
                                   .where = path,
                                   .expected = "no file, or one that an earlier command made",
                                   .found = is_folder(path) ? "a folder" : "something else"});
  require_writable(path);
}

}  // namespace hone
