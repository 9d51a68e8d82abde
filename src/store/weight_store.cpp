#include "store/weight_store.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/float_mode.hpp"
#include "base/random.hpp"
#include "file/hash.hpp"
#include "ir/values.hpp"
#include "store/mapped_values.hpp"

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
      return;
    }
    case Init::Kind::uniform: {
      Stream stream(stream_key(spec.name, seed));
      for (float& x : values) x = spec.init.deviation * static_cast<float>(2 * stream.uniform() - 1);
    }
  }
}

}  // namespace

WeightStore WeightStore::fresh(std::uint64_t seed) {
  WeightStore store;
  store.seed_ = seed;
  return store;
}

WeightStore WeightStore::snapshot(std::map<std::string, std::vector<std::byte>> values) {
  WeightStore store;
  store.snapshot_ = std::make_shared<const std::map<std::string, std::vector<std::byte>>>(std::move(values));
  return store;
}

WeightStore WeightStore::with(std::map<std::string, std::vector<std::byte>> values) const {
  WeightStore store = *this;
  store.more_ = std::make_shared<More>();
  store.more_->values = std::move(values);
  return store;
}

WeightStore WeightStore::renamed(const std::map<std::string, std::string>& names) const {
  WeightStore store = *this;
  store.held_ = std::make_shared<Held>();
  store.tensors_.clear(), store.stored_.clear(), store.snapshot_.reset();
  std::map<std::string, std::vector<std::byte>> values, more;
  for (const auto& [name, own] : names) {
    if (more_ && more_->values.contains(own)) more[name] = more_->values.at(own);
    if (const auto file = tensors_.find(own); file != tensors_.end())
      store.tensors_.insert({name, file->second});
    if (const auto stored = stored_.find(own); stored != stored_.end()) store.stored_[name] = stored->second;
    if (snapshot_ && snapshot_->contains(own)) values[name] = snapshot_->at(own);
  }
  if (snapshot_)
    store.snapshot_ =
        std::make_shared<const std::map<std::string, std::vector<std::byte>>>(std::move(values));
  return more_ ? store.with(std::move(more)) : store;
}

WeightStore WeightStore::mapped(std::shared_ptr<const WeightFiles> files, NamedTensors tensors,
                                const std::vector<ParameterSpec>& parameters) {
  std::vector<std::string> missing;
  for (const ParameterSpec& spec : parameters) {
    const auto found = tensors.find(spec.name);
    if (found == tensors.end())
      missing.push_back(spec.name);
    else
      require_fit(found->second, spec);
  }
  if (!missing.empty())
    throw Error(
        ErrorKind::input,
        {.what = missing.size() == 1 ? "a weight is missing" : "weights are missing",
         .where = files->path(),
         .expected = "tensor " + missing.front() +
                     (missing.size() == 1 ? "" : " and " + std::to_string(missing.size() - 1) + " more"),
         .hint = "is this the file that belongs to config.json?"});
  WeightStore store;
  store.files_ = std::move(files);
  store.tensors_ = std::move(tensors);
  return store;
}

namespace {

// In the spec's type, which is the tree's.
void expand_as_filed(const ParameterSpec& spec, const WeightTree& tree, std::span<std::byte> filed) {
  if (!is_turned(spec)) return expand_tree(tree, filed);
  std::vector<std::byte> rows(filed.size());
  expand_tree(tree, rows);
  to_file_layout(spec, rows, filed);
}

void expand(ParameterSpec spec, const StoredWeight& weight, std::span<float> values) {
  spec.dtype = weight.type.dtype;
  if (weight.tree) {
    std::vector<std::byte> filed(static_cast<std::size_t>(weight.type.bytes()));
    expand_as_filed(spec, *weight.tree, filed);
    widen_as_filed(spec, filed, values);
    return;
  }
  widen_as_filed(spec, weight.bytes, values);
  if (weight.add != 0.0f)
    for (float& x : values) x += weight.add;
}

}  // namespace

void WeightStore::read_file_layout(const ParameterSpec& spec, std::span<float> values) const {
  const FloatModeGuard guard;  // initial values are computed here
  if (more_ && more_->values.contains(spec.name)) {
    widen(more_->values.at(spec.name), DType::f32, values);
  } else if (const StoredWeight* stored = find_stored(spec.name)) {
    expand(spec, *stored, values);
  } else if (const auto file = tensors_.find(spec.name); file != tensors_.end()) {
    read_f32(file->second, 0, values);
  } else if (snapshot_ && snapshot_->contains(spec.name)) {
    widen(snapshot_->at(spec.name), TensorType{spec.shape, spec.dtype}, values);
  } else {
    initialise(spec, seed_, values);  // fresh, or added by a pass
  }
}

namespace {

template <class T>
void transpose_items(const T* from, std::int64_t rows, std::int64_t columns, T* to) {
  constexpr std::int64_t tile = 32;  // both sides stay in cache lines that were already fetched
  for (std::int64_t r0 = 0; r0 < rows; r0 += tile)
    for (std::int64_t c0 = 0; c0 < columns; c0 += tile)
      for (std::int64_t r = r0; r < std::min(rows, r0 + tile); ++r)
        for (std::int64_t c = c0; c < std::min(columns, c0 + tile); ++c)
          to[c * rows + r] = from[r * columns + c];
}

// to[c,r] = from[r,c]
void transpose(DType dtype, std::span<const std::byte> from, std::int64_t rows, std::int64_t columns,
               std::span<std::byte> to) {
  if (size_bytes(dtype) == 4)
    transpose_items(reinterpret_cast<const std::uint32_t*>(from.data()), rows, columns,
                    reinterpret_cast<std::uint32_t*>(to.data()));
  else
    transpose_items(reinterpret_cast<const std::uint16_t*>(from.data()), rows, columns,
                    reinterpret_cast<std::uint16_t*>(to.data()));
}

}  // namespace

void WeightStore::read_as_filed(const ParameterSpec& spec, std::span<std::byte> values) const {
  const StoredWeight* weight = find_stored(spec.name);
  if (weight && weight->tree && weight->type.dtype == spec.dtype) {
    expand_as_filed(spec, *weight->tree, values);
  } else if (!is_floating(spec.dtype)) {  // nothing is made into blocks here: the store has them
    assert(weight && weight->type.dtype == spec.dtype);
    std::copy(weight->bytes.begin(), weight->bytes.end(), values.begin());
  } else if (spec.dtype == DType::f32) {
    read_file_layout(spec, {reinterpret_cast<float*>(values.data()), values.size() / sizeof(float)});
  } else {
    std::vector<float> wide(static_cast<std::size_t>(spec.shape.elements()));
    read_file_layout(spec, wide);
    narrow(wide, spec.dtype, values);
  }
}

void WeightStore::read(const ParameterSpec& spec, std::span<std::byte> values) const {
  if (!is_turned(spec)) return read_as_filed(spec, values);
  std::vector<std::byte> filed(values.size());
  read_as_filed(spec, filed);
  from_file_layout(spec, filed, values);
}

void WeightStore::require_finite(const ParameterSpec& spec, std::span<const float> values) const {
  const auto bad = std::ranges::find_if(values, [](float x) { return !std::isfinite(x); });
  if (bad == values.end()) return;
  throw Error(ErrorKind::input, {.what = "a weight is not finite",
                                 .where = tensors_.contains(spec.name) ? tensors_.at(spec.name).where()
                                          : path_.empty()              ? "weight " + spec.name
                                                                       : path_ + ", weight " + spec.name,
                                 .expected = "finite numbers",
                                 .found = std::isnan(*bad) ? "NaN" : "an infinite one",
                                 .hint = "the file is damaged, or the model diverged in training"});
}

void require_range(const std::string& weight, DType dtype, std::span<const std::byte> derived) {
  if (dtype != DType::f16 || all_finite(derived, dtype)) return;
  throw Error(ErrorKind::input, {.what = "a weight does not fit into fp16",
                                 .where = "weight " + weight,
                                 .expected = "at most 65504 either way",
                                 .hint = "use bf16, which reaches as far as f32, or f32"});
}

bool is_turned(const ParameterSpec& spec) { return spec.transposed && !is_blocks(spec.dtype); }

Shape file_shape(const ParameterSpec& spec) {
  return is_turned(spec) ? Shape{spec.shape[1], spec.shape[0]} : spec.shape;
}

void to_file_layout(const ParameterSpec& spec, std::span<const std::byte> from, std::span<std::byte> to) {
  if (is_turned(spec))
    transpose(spec.dtype, from, spec.shape[0], spec.shape[1], to);
  else
    std::copy(from.begin(), from.end(), to.begin());
}

void from_file_layout(const ParameterSpec& spec, std::span<const std::byte> from, std::span<std::byte> to) {
  if (is_turned(spec))
    transpose(spec.dtype, from, spec.shape[1], spec.shape[0], to);
  else
    std::copy(from.begin(), from.end(), to.begin());
}

void widen_as_filed(const ParameterSpec& spec, std::span<const std::byte> bytes, std::span<float> values) {
  const TensorType type{spec.shape, spec.dtype};
  if (!spec.transposed || !is_blocks(spec.dtype)) return widen(bytes, type, values);
  std::vector<float> rows(values.size());
  widen(bytes, type, rows);
  ParameterSpec wide = spec;
  wide.dtype = DType::f32;
  to_file_layout(wide, std::as_bytes(std::span(rows)), std::as_writable_bytes(values));
}

namespace {

void sort_by_name(std::vector<ParameterSpec>& parameters) {
  std::sort(parameters.begin(), parameters.end(),
            [](const ParameterSpec& a, const ParameterSpec& b) { return a.name < b.name; });
}

std::int64_t alignment(DType dtype) { return is_blocks(dtype) ? 0 : size_bytes(dtype); }

// By name; the largest elements come first, for what stands behind others need not be aligned to its own.
void sort_for_file(std::vector<ParameterSpec>& parameters) {
  sort_by_name(parameters);
  std::ranges::stable_sort(parameters, std::greater{},
                           [](const ParameterSpec& p) { return alignment(p.dtype); });
}

}  // namespace

std::vector<SafetensorsSpec> weight_file_specs(std::vector<ParameterSpec> parameters) {
  sort_for_file(parameters);
  std::vector<SafetensorsSpec> specs;
  for (const ParameterSpec& p : parameters) {
    const Shape shape = file_shape(p);
    if (is_blocks(p.dtype))
      specs.push_back(
          {p.name, safetensors_dtype(DType::u8), shape.with_last(row_bytes(p.dtype, shape.last())).sizes()});
    else
      specs.push_back({p.name, safetensors_dtype(p.dtype), shape.sizes()});
  }
  return specs;
}

SafetensorsWriter written_weights(const std::string& path, std::vector<ParameterSpec> parameters,
                                  const WeightReader& read, const SafetensorsWriting& writing) {
  sort_for_file(parameters);
  SafetensorsWriter writer(path, weight_file_specs(parameters), {{"format", "pt"}}, writing);
  for (const ParameterSpec& p : parameters) writer.write(p.name, read(p));
  return writer;
}

namespace {
// By chunks, for a table of f32 beside one of bf16 would be the run's largest tensor: of blocks by rows.
void add_wide(Digest& digest, std::span<const std::byte> values, const TensorType& type) {
  if (type.dtype == DType::f32) return digest.add(values);
  const std::int64_t chunk = is_blocks(type.dtype) ? type.shape.last() : 65536;
  std::vector<float> wide(static_cast<std::size_t>(chunk));
  const auto chunk_bytes = static_cast<std::size_t>(row_bytes(type.dtype, chunk));
  for (std::size_t first = 0; first < values.size(); first += chunk_bytes) {
    const auto part = values.subspan(first, std::min(chunk_bytes, values.size() - first));
    const auto values_wide = std::span(wide).first(
        is_blocks(type.dtype) ? wide.size() : part.size() / static_cast<std::size_t>(size_bytes(type.dtype)));
    widen(part, {{std::ssize(values_wide)}, type.dtype}, values_wide);
    digest.add(std::as_bytes(values_wide));
  }
}
}  // namespace

std::string hash_weights(std::vector<ParameterSpec> parameters, const WeightReader& read) {
  sort_by_name(parameters);
  Digest digest;
  for (const ParameterSpec& p : parameters) {
    ParameterSpec wide = p;
    wide.dtype = DType::f32;
    const std::string label = p.name + to_string(file_shape(wide));
    digest.add(std::as_bytes(std::span(label)));
    if (is_turned(wide) == is_turned(p)) {
      add_wide(digest, read(p), {p.shape, p.dtype});
    } else {
      std::vector<float> turned(static_cast<std::size_t>(p.shape.elements()));
      widen_as_filed(p, read(p), turned);
      digest.add(std::as_bytes(std::span(turned)));
    }
  }
  return digest.hex();
}

}  // namespace hone
