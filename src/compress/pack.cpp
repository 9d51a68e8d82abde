#include "hone/pack.hpp"

#include <algorithm>
#include <filesystem>

#include "file/gguf.hpp"
#include "file/mapped.hpp"
#include "file/safetensors.hpp"
#include "file/weight_files.hpp"
#include "model/model_output.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view weights_ending = ".safetensors";

// "model.safetensors" of that file, or of its packing; empty for one of no weights.
std::string weights_name(std::string name) {
  if (name.ends_with(packed_suffix)) name.resize(name.size() - std::string_view(packed_suffix).size());
  return name.ends_with(weights_ending) ? name : "";
}

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && !NewFolder::is_of_writing(entry.path().filename().string()))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

void check(const std::string& from, const std::string& to) {
  if (is_gguf(from))
    throw Error(ErrorKind::input, {.what = "a GGUF file stays as it is, to be mapped",
                                   .where = from,
                                   .expected = "a model folder",
                                   .hint = "hone convert makes a folder of it"});
  if (!is_folder(from)) refuse_folder(from, weight_file_name);
  const auto names = files_of(from);
  if (std::ranges::none_of(names, [](const std::string& name) { return !weights_name(name).empty(); }))
    refuse_folder(from, weight_file_name);
  require_folder_name(to);
}

constexpr std::size_t piece_bytes = std::size_t{4} << 20;

// Tensor by tensor, in pieces.
void copy_weights(const std::string& from, const std::string& to, bool packed, PackReport& report) {
  const SafetensorsFile in(from);
  std::vector<SafetensorsSpec> specs;
  for (const SafetensorsEntry& e : in.entries()) specs.push_back({e.name, e.dtype, e.shape});
  SafetensorsWriter out(to, specs, in.metadata(), {.packed = packed});
  std::vector<std::byte> piece;
  for (const SafetensorsEntry& e : in.entries()) {
    for (std::size_t at = 0; at < e.bytes; at += piece.size()) {
      piece.resize(std::min<std::size_t>(piece_bytes, e.bytes - at));
      in.read(e, piece, at);
      out.write(e.name, piece);
    }
    ++report.tensors;
    report.elements += static_cast<std::int64_t>(e.bytes / safetensors_item_bytes(e.dtype));
  }
  out.commit();
  report.bytes_before += static_cast<std::int64_t>(fs::file_size(from));
  report.bytes += static_cast<std::int64_t>(fs::file_size(to));
}

void copy_other(const std::string& from, const std::string& to) {
  const OffsetFile in(from);
  AtomicFile out(to);
  std::vector<std::byte> piece;
  for (std::size_t at = 0; at < in.size(); at += piece.size()) {
    piece.resize(std::min(piece_bytes, in.size() - at));
    in.read(at, piece);
    out.write(piece);
  }
  out.commit();
}

PackReport copied(const std::string& from, const std::string& to, bool packed) {
  check(from, to);
  PackReport report;
  ModelOutput out(from, to);
  out.require_empty();
  for (const std::string& name : files_of(from)) {
    const std::string weights = weights_name(name), source = from + "/" + name;
    if (weights.empty())
      copy_other(source, out.folder() + "/" + name);
    else
      copy_weights(source, out.folder() + "/" + (packed ? weights + packed_suffix : weights), packed, report);
  }
  out.publish();
  if (report.elements > 0)
    report.bits_a_weight = 8 * static_cast<double>(report.bytes) / static_cast<double>(report.elements);
  return report;
}

}  // namespace

PackReport pack(const std::string& from, const std::string& to) { return copied(from, to, true); }
PackReport unpack(const std::string& from, const std::string& to) { return copied(from, to, false); }

}  // namespace hone
