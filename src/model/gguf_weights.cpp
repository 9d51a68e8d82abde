#include "model/gguf_weights.hpp"

#include <algorithm>
#include <cmath>

#include "hone/error.hpp"
#include "ir/values.hpp"
#include "kernel/coded.hpp"
#include "kernel/quantize.hpp"
#include "model/adapter.hpp"

namespace hone {
namespace {

using kernel::CodeFormat;

// A type of ggml's whose groups a group of this one is made of.
std::optional<DType> finer_groups(DType dtype) {
  for (const DType of_ggml : {DType::q4_1, DType::q8_0}) {
    const auto own = kernel::find_code_format(element_of(dtype));
    const CodeFormat theirs = kernel::code_format(element_of(of_ggml));
    if (own && own->bits == theirs.bits && own->has_minimum == theirs.has_minimum) return of_ggml;
  }
  return {};
}

bool is_ggmls(DType dtype) { return dtype <= DType::q6_k; }

// The same codes in finer groups, each with the scale and the minimum of its own.
std::vector<std::byte> regrouped(std::span<const std::byte> blocks, const TensorType& from, DType to) {
  const kernel::Element own = element_of(from.dtype), theirs = element_of(to);
  const std::int64_t columns = from.shape.last(), finer = block_elements(to);
  const auto row = static_cast<std::size_t>(row_bytes(from.dtype, columns)),
             their_row = static_cast<std::size_t>(row_bytes(to, columns));
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(columns));
  std::vector<float> scales(static_cast<std::size_t>(kernel::blocks_of_row(own, columns))),
      minima(scales.size()), more(static_cast<std::size_t>(columns / finer)), more_minima(more.size());
  std::vector<std::byte> bytes(static_cast<std::size_t>(from.shape.rows()) * their_row);
  for (std::size_t r = 0; r < static_cast<std::size_t>(from.shape.rows()); ++r) {
    kernel::unpack_codes(own, blocks.subspan(r * row, row), codes, scales, minima);
    for (std::size_t group = 0; group < more.size(); ++group) {
      const std::size_t g =
          group * static_cast<std::size_t>(finer) / static_cast<std::size_t>(block_elements(from.dtype));
      more[group] = scales[g], more_minima[group] = minima[g];
    }
    kernel::pack_codes(theirs, codes, more, more_minima, std::span(bytes).subspan(r * their_row, their_row));
  }
  return bytes;
}

// Each head's halves as pairs of neighbours.
std::vector<std::byte> in_pairs(const std::vector<std::byte>& from, std::int64_t rows,
                                std::int64_t head_dim) {
  std::vector<std::byte> to(from.size());
  const std::size_t row = from.size() / static_cast<std::size_t>(rows);
  for (std::int64_t r = 0; r < rows; ++r)
    std::copy_n(from.data() + static_cast<std::size_t>(r) * row, row,
                to.data() + static_cast<std::size_t>(interleaved_row(r, head_dim)) * row);
  return to;
}

}  // namespace

DType gguf_type_for(DType stored, const std::string& weight) {
  if (is_ggmls(stored)) return stored;
  if (const auto finer = finer_groups(stored)) return *finer;
  throw Error(ErrorKind::usage, {.what = "llama.cpp's files have no such type of weights",
                                 .where = "weight " + weight,
                                 .expected = "codes of 4 or 8 bits",
                                 .found = std::string(name(stored)),
                                 .hint = "name a folder, which hone reads, or another --type"});
}

GgufWeights::GgufWeights(const Model& model, const GgufFamily& family, std::int64_t head_dim)
    : model_(model), family_(family), head_dim_(head_dim), stored_(model.impl().store.stored_types()) {
  for (const LinearModule& module : modules_of(model))
    if (!module.head) products_.insert(module.name + ".weight");
}

// f16, in which blocks have their scales too, ends before f32 does.
void GgufWeights::require_reached(const ParameterSpec& spec, DType dtype, std::span<const std::byte> bytes) {
  constexpr float largest_f16 = 65504;
  const auto fits = [](float x) { return std::abs(x) <= largest_f16; };
  if (dtype == DType::f32 || dtype == DType::bf16 || std::ranges::all_of(values_, fits)) return;
  std::vector<float> back(values_.size());
  widen(bytes, {spec.shape, dtype}, back);
  if (std::ranges::all_of(back, [](float x) { return std::isfinite(x); })) return;
  throw Error(ErrorKind::input, {.what = "a value is too large for this type",
                                 .where = "weight " + spec.name,
                                 .expected = "at most 65504 either way, in " + std::string(name(dtype)),
                                 .hint = "use --type bf16 or f32"});
}

void GgufWeights::count_zeros(const ParameterSpec& spec, DType dtype, std::span<const std::byte> bytes) {
  if (!products_.contains(spec.name)) return;
  zeros_.all += static_cast<double>(values_.size());
  zeros_.before += static_cast<double>(std::ranges::count(values_, 0.0f));
  if (is_blocks(dtype)) widen(bytes, {spec.shape, dtype}, values_);
  zeros_.after += static_cast<double>(std::ranges::count(values_, 0.0f));
}

std::vector<std::byte> GgufWeights::encoded(const ParameterSpec& spec, const std::string& gguf, DType dtype) {
  const WeightStore& store = model_.impl().store;
  if (const auto stored = stored_.find(spec.name); stored != stored_.end() && is_blocks(stored->second)) {
    ParameterSpec own = spec;
    own.dtype = stored->second;
    if (is_ggmls(own.dtype) ? own.dtype == dtype : finer_groups(own.dtype) == dtype) {
      std::vector<std::byte> bytes(static_cast<std::size_t>(TensorType{own.shape, own.dtype}.bytes()));
      store.read_as_filed(own, bytes);
      return own.dtype == dtype ? bytes : regrouped(bytes, {own.shape, own.dtype}, dtype);
    }
  }
  values_.resize(static_cast<std::size_t>(spec.shape.elements()));
  store.read_file_layout(spec, values_);
  store.require_finite(spec, values_);
  if (is_norm(gguf))
    for (float& x : values_) x += family_.norm_offset;
  std::vector<std::byte> bytes(static_cast<std::size_t>(TensorType{spec.shape, dtype}.bytes()));
  if (is_blocks(dtype))  // whole ones
    kernel::quantize(element_of(dtype), values_, bytes);
  else
    narrow(values_, dtype, bytes);
  require_reached(spec, dtype, bytes);
  count_zeros(spec, dtype, bytes);
  return bytes;
}

std::vector<std::byte> GgufWeights::of(const ParameterSpec& spec, const std::string& gguf, DType dtype) {
  std::vector<std::byte> bytes = encoded(spec, gguf, dtype);
  const bool ordered = permuted(family_, gguf) == Permuted::no || spec.shape[0] % head_dim_ != 0;
  return ordered ? bytes : in_pairs(bytes, spec.shape[0], head_dim_);
}

}  // namespace hone
