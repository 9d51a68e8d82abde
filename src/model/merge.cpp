// An adapter's part added to the weights that it stands beside: W + scale B A.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "hone/lora.hpp"
#include "ir/values.hpp"
#include "model/model_impl.hpp"
#include "model/model_output.hpp"

namespace hone {
namespace {

using Matrix = std::vector<float>;

Matrix transposed(const Matrix& m, std::int64_t rows, std::int64_t columns) {
  Matrix t(m.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      t[static_cast<std::size_t>(c * rows + r)] = m[static_cast<std::size_t>(r * columns + c)];
  return t;
}

// w[p,q] += scale left[p,r] right[r,q], in the order of r.
void add_product(std::span<float> w, const Matrix& left, const Matrix& right, std::int64_t rank,
                 float scale) {
  const auto q = right.size() / static_cast<std::size_t>(rank);
  for (std::size_t row = 0; row * q < w.size(); ++row)
    for (std::size_t r = 0; r < static_cast<std::size_t>(rank); ++r) {
      const float factor = scale * left[row * static_cast<std::size_t>(rank) + r];
      float* to = w.data() + row * q;
      const float* from = right.data() + r * q;
      for (std::size_t i = 0; i < q; ++i) to[i] += factor * from[i];
    }
}

class Merging {
 public:
  explicit Merging(const Model& model) : model_(model.impl()) {}

  // The base's weights, each in the type that it is written in.
  std::vector<ParameterSpec> specs(std::optional<Precision> precision) const {
    std::vector<ParameterSpec> base;
    const auto stored = model_.store.stored_types();
    for (ParameterSpec spec : model_.specs) {
      if (spec.trained) continue;
      const auto type = stored.find(spec.name);
      const bool narrow = type != stored.end() && is_floating(type->second);  // blocks become f32
      spec.dtype = precision ? dtype_of(*precision) : narrow ? type->second : DType::f32;
      base.push_back(std::move(spec));
    }
    return base;
  }

  std::span<const std::byte> operator()(const ParameterSpec& spec) {
    wide_.resize(static_cast<std::size_t>(spec.shape.elements()));
    model_.store.read_file_layout(*model_.find(spec.name), wide_);
    for (const LoraModule& module : model_.adapter->modules)
      if (module.name + ".weight" == spec.name) add(module, spec);
    if (spec.dtype == DType::f32) return std::as_bytes(std::span(wide_));
    narrow_.resize(wide_.size() * static_cast<std::size_t>(size_bytes(spec.dtype)));
    narrow(wide_, spec.dtype, narrow_);
    return narrow_;
  }

 private:
  Matrix read(const std::string& name) const {
    const ParameterSpec& spec = *model_.find(name);
    Matrix values(static_cast<std::size_t>(spec.shape.elements()));
    model_.store.read_file_layout(spec, values);
    return values;
  }

  void add(const LoraModule& module, const ParameterSpec& spec) {
    const Matrix a = read(lora_a_name(module.name)), b = read(lora_b_name(module.name));  // [r,in], [out,r]
    const std::int64_t rank = module.rank, in = spec.shape[1], out = spec.shape[0];
    if (spec.transposed)  // the file's [in,out] += A^T B^T
      add_product(wide_, transposed(a, rank, in), transposed(b, out, rank), rank, module.scale);
    else
      add_product(wide_, b, a, rank, module.scale);
  }

  const Model::Impl& model_;
  Matrix wide_;
  std::vector<std::byte> narrow_;
};

// The config says which type its weights are in, by the key's new name or the old one.
std::string config_for(const Model& model, std::optional<Precision> precision) {
  if (!precision) return model.config_json();
  const char* name = *precision == Precision::f32    ? "float32"
                     : *precision == Precision::bf16 ? "bfloat16"
                                                     : "float16";
  auto config = nlohmann::json::parse(model.config_json());
  for (const char* key : {"dtype", "torch_dtype"})
    if (config.contains(key)) config[key] = name;
  return config.dump(2) + "\n";
}

}  // namespace

std::vector<std::string> merge(const Model& model, const std::string& folder, std::optional<Precision> dtype,
                               const std::vector<std::string>& tokenizers) {
  if (!model.impl().adapter)
    throw Error(ErrorKind::usage, {.what = "the model has no adapter to merge", .where = folder});
  require_folder_name(folder);
  ModelOutput out(folder);
  Merging merging(model);
  written_weights(out.folder() + "/model.safetensors", merging.specs(dtype), std::ref(merging)).commit();
  write_file(out.folder() + "/config.json", config_for(model, dtype));
  std::vector<std::string> notes;
  for (const std::string& from : tokenizers)
    for (std::string& note : copy_tokenizer(from, out.folder())) notes.push_back(std::move(note));
  out.publish();
  return notes;
}

}  // namespace hone
