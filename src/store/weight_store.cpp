#include "store/weight_store.hpp"

#include <algorithm>
#include <cstring>

#include "base/float_mode.hpp"
#include "base/random.hpp"
#include "base/types.hpp"
#include "file/hash.hpp"

namespace hone {
namespace {

void initialise(const ParameterSpec& spec, std::uint64_t seed, std::span<float> values) {
  switch (spec.init.kind) {
    case Init::Kind::zeros:
      std::fill(values.begin(), values.end(), 0.0f);
      return;
    case Init::Kind::ones:
      std::fill(values.begin(), values.end(), 1.0f);
      return;
    case Init::Kind::normal: {
      Stream stream(stream_key(spec.name, seed));
      for (float& x : values) x = spec.init.deviation * stream.normal();
    }
  }
}

void widen(const SafetensorsFile& file, const SafetensorsEntry& entry, std::span<float> values) {
  if (entry.dtype == "F32") {
    file.read(entry, std::as_writable_bytes(values));
    return;
  }
  // Read into the upper half of the room, then widened from the front: each value is read before it is
  // covered.
  const auto halves = std::as_writable_bytes(values).subspan(entry.bytes.size());
  file.read(entry, halves);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, halves.data() + 2 * i, 2);
    values[i] = entry.dtype == "BF16" ? to_f32(bf16{bits}) : to_f32(f16{bits});
  }
}

void check_entry(const SafetensorsFile& file, const SafetensorsEntry& entry, const ParameterSpec& spec) {
  const Shape wanted = file_shape(spec);
  const std::string where = file.path() + ", tensor " + entry.name;
  if (entry.shape != wanted.sizes())
    throw Error(ErrorKind::input, {.what = "the weight does not fit config.json",
                                   .where = where,
                                   .expected = to_string(wanted),
                                   .found = type_text("", entry.shape)});
  if (entry.dtype != "F32" && entry.dtype != "BF16" && entry.dtype != "F16")
    throw Error(ErrorKind::input, {.what = "weights of this type cannot be read",
                                   .where = where,
                                   .expected = "F32, BF16 or F16",
                                   .found = entry.dtype});
}

}  // namespace

WeightStore WeightStore::fresh(std::uint64_t seed) {
  WeightStore store;
  store.seed_ = seed;
  return store;
}

WeightStore WeightStore::snapshot(std::map<std::string, std::vector<float>> values) {
  WeightStore store;
  store.snapshot_ = std::make_shared<const std::map<std::string, std::vector<float>>>(std::move(values));
  return store;
}

WeightStore WeightStore::file(const std::string& path, const std::vector<ParameterSpec>& parameters,
                              const std::string& optional_prefix) {
  WeightStore store;
  store.file_ = std::make_shared<const SafetensorsFile>(path);
  const auto starts = [&](const std::string& name) { return name.rfind(optional_prefix, 0) == 0; };
  const bool bare = !optional_prefix.empty() && !parameters.empty() && starts(parameters.front().name) &&
                    !store.file_->find(parameters.front().name) &&
                    store.file_->find(parameters.front().name.substr(optional_prefix.size()));
  if (bare) store.prefix_ = optional_prefix;
  for (const ParameterSpec& spec : parameters) {
    const std::string name = bare && starts(spec.name) ? spec.name.substr(optional_prefix.size()) : spec.name;
    const SafetensorsEntry* entry = store.file_->find(name);
    if (!entry)
      throw Error(ErrorKind::input, {.what = "a weight is missing",
                                     .where = path,
                                     .expected = "tensor " + name,
                                     .hint = "is this the file that belongs to config.json?"});
    check_entry(*store.file_, *entry, spec);
  }
  return store;
}

void WeightStore::require_only(const std::vector<ParameterSpec>& parameters) const {
  for (const SafetensorsEntry& entry : file_->entries()) {
    if (!find_spec(parameters, entry.name))
      throw Error(ErrorKind::input, {.what = "the file holds a weight that the architecture lacks",
                                     .where = file_->path(),
                                     .expected = "only the architecture's weights",
                                     .found = "tensor " + entry.name,
                                     .hint = "open it with the architecture that it was saved by"});
  }
}

void WeightStore::read_file_layout(const ParameterSpec& spec, std::span<float> values) const {
  const FloatModeGuard guard;  // initial values are computed here
  if (file_) {
    const bool strip = !prefix_.empty() && spec.name.rfind(prefix_, 0) == 0;
    widen(*file_, file_->at(strip ? spec.name.substr(prefix_.size()) : spec.name), values);
  } else if (snapshot_) {
    const auto& from = snapshot_->at(spec.name);
    std::copy(from.begin(), from.end(), values.begin());
  } else {
    initialise(spec, seed_, values);
  }
}

void WeightStore::read(const ParameterSpec& spec, std::span<float> values) const {
  if (!spec.transposed) {
    read_file_layout(spec, values);
    return;
  }
  std::vector<float> kept(values.size());
  read_file_layout(spec, kept);
  transpose(kept, spec.shape[1], spec.shape[0], values);
}

Shape file_shape(const ParameterSpec& spec) {
  return spec.transposed ? Shape{spec.shape[1], spec.shape[0]} : spec.shape;
}

void transpose(std::span<const float> from, std::int64_t rows, std::int64_t columns, std::span<float> to) {
  constexpr std::int64_t tile = 32;  // both sides stay in cache lines that were already fetched
  for (std::int64_t r0 = 0; r0 < rows; r0 += tile)
    for (std::int64_t c0 = 0; c0 < columns; c0 += tile)
      for (std::int64_t r = r0; r < std::min(rows, r0 + tile); ++r)
        for (std::int64_t c = c0; c < std::min(columns, c0 + tile); ++c)
          to[static_cast<std::size_t>(c * rows + r)] = from[static_cast<std::size_t>(r * columns + c)];
}

namespace {
void sort_by_name(std::vector<ParameterSpec>& parameters) {
  std::sort(parameters.begin(), parameters.end(),
            [](const ParameterSpec& a, const ParameterSpec& b) { return a.name < b.name; });
}
}  // namespace

void write_weights(const std::string& path, std::vector<ParameterSpec> parameters, const WeightReader& read) {
  sort_by_name(parameters);
  std::vector<SafetensorsSpec> specs;
  for (const ParameterSpec& p : parameters) specs.push_back({p.name, "F32", file_shape(p).sizes()});
  SafetensorsWriter writer(path, specs);
  for (const ParameterSpec& p : parameters) writer.write(p.name, std::as_bytes(read(p)));
  writer.commit();
}

std::string hash_weights(std::vector<ParameterSpec> parameters, const WeightReader& read) {
  sort_by_name(parameters);
  Digest digest;
  for (const ParameterSpec& p : parameters) {
    const std::string label = p.name + to_string(file_shape(p));
    digest.add(std::as_bytes(std::span(label)));
    digest.add(std::as_bytes(read(p)));
  }
  return digest.hex();
}

}  // namespace hone
