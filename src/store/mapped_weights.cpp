#include "store/mapped_weights.hpp"

#include "file/mapped.hpp"
#include "hone/error.hpp"
#include "store/grouped_codes.hpp"
#include "store/sparse_weight.hpp"
#include "store/tensor_train.hpp"

namespace hone {
namespace {

// The bytes of a file's tensors, where they lie; of a file that is packed, in memory.
class Bytes {
 public:
  void find(const MappedTensor& t, StoredWeight& weight, std::int64_t& beside_bytes) {
    const auto& file = *t.file;
    weight.mapped = !file.is_packed();
    if (!weight.mapped) {
      std::vector<std::byte> bytes(static_cast<std::size_t>(t.entry->bytes));
      file.read(*t.entry, bytes);
      weight = made_weight(weight.type, std::move(bytes));
      return;
    }
    auto& mapped = files_[file.path()];
    // The system maps up to 16 pages around the one that is touched, at both ends of what is read.
    if (!mapped) mapped = std::make_shared<const MappedFile>(file.path()), beside_bytes += 2 * 16 * 4096;
    if (t.entry->offset + t.entry->bytes > mapped->size())
      throw Error(ErrorKind::input, {.what = "the file was cut short meanwhile", .where = file.path()});
    weight.bytes = mapped->bytes().subspan(static_cast<std::size_t>(t.entry->offset),
                                           static_cast<std::size_t>(t.entry->bytes));
    weight.owner = mapped;
    // Other tools need not align what they write.
    const auto place = reinterpret_cast<std::uintptr_t>(weight.bytes.data());
    if (!is_blocks(weight.type.dtype) &&
        place % static_cast<std::uintptr_t>(size_bytes(weight.type.dtype)) != 0)
      weight = made_weight(weight.type, {weight.bytes.begin(), weight.bytes.end()});
  }

 private:
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

// `width`: of a row, where the file's type says it.
void require_fit(const MappedTensor& t, const TensorType& type, std::int64_t width) {
  const std::int64_t row = row_bytes(type.dtype, type.shape.last());
  const std::string expected = type_text("U8", type.shape.with_last(row).sizes());
  const std::string found = type_text(t.entry->dtype, t.entry->shape);
  if (found != expected || (width > 0 && width != type.shape.last()))
    throw Error(ErrorKind::input,
                {.what = "the quantized weight does not fit config.json",
                 .where = t.where(),
                 .expected = expected + ", " + std::string(name(type.dtype)) + " of " + to_string(type.shape),
                 .found = found + (width > 0 ? ", rows of " + std::to_string(width) : "")});
}

const char* kind_of(const WeightType& type) {
  return type.tensor_train ? "tensor train" : type.sparse ? "sparse weight" : "quantized weight";
}

[[noreturn]] void refuse_parts(const std::string& where, const WeightType& type, const Shape& shape,
                               const std::string& expected, const std::string& found) {
  throw Error(ErrorKind::input, {.what = std::string("the ") + kind_of(type) + " does not fit config.json",
                                 .where = where,
                                 .expected = expected + ", " + name(type) + " of " + to_string(shape),
                                 .found = found});
}

class Mapping {
 public:
  Mapping(NamedTensors& tensors, const std::string& config_path)
      : tensors_(tensors), config_path_(config_path) {}

  void map(const std::string& name, const WeightType& type, const ParameterSpec* spec) {
    if (!spec) refuse_missing("the model has no such weight", "a weight of the model", name);
    result_.weights[name] = type.tensor_train      ? train(*spec, type)
                            : type.sparse          ? sparse(*spec, type)
                            : type.groups.bits > 0 ? grouped(*spec, type)
                                                   : blocks(*spec, type);
  }
  MappedWeights finish() { return std::move(result_); }

 private:
  [[noreturn]] void refuse_missing(const char* what, const char* expected, const std::string& found) const {
    throw Error(ErrorKind::input, {.what = what,
                                   .where = config_path_ + ", " + quantization_key,
                                   .expected = expected,
                                   .found = found});
  }

  MappedTensor taken(const std::string& name) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
      refuse_missing("a weight, or a part of it, is missing", "a tensor of that name beside config.json",
                     name);
    const MappedTensor tensor = found->second;
    tensors_.erase(found);
    return tensor;
  }

  StoredWeight blocks(const ParameterSpec& spec, const WeightType& type) {
    StoredWeight weight{.type = {spec.shape, type.dtype}};
    const MappedTensor tensor = taken(spec.name);
    require_fit(tensor, weight.type, type.width);
    bytes_.find(tensor, weight, result_.beside_bytes);
    return weight;
  }

  void add_part(WeightTree& tree, const std::string& name, const TensorType& wanted,
                const MappedTensor& tensor) {
    const std::string expected = type_text(safetensors_dtype(wanted.dtype), wanted.shape.sizes());
    const std::string found = type_text(tensor.entry->dtype, tensor.entry->shape);
    if (found != expected) refuse_parts(tensor.where(), tree.type, tree.shape, expected, found);
    tree.parts.push_back({name, {.type = wanted}});
    bytes_.find(tensor, tree.parts.back().weight, result_.beside_bytes);
  }

  StoredWeight grouped(const ParameterSpec& spec, const WeightType& type) {
    WeightTree tree{.type = type, .shape = spec.shape};
    if (spec.shape.rank() != 2)
      refuse_parts(config_path_ + ", " + quantization_key + ", " + spec.name, type, spec.shape, "a matrix",
                   "another");
    const bool about_zero = !tensors_.contains(spec.name + ".minima");
    tree.type.dtype = type_of_groups(type.groups, spec.shape.last(), about_zero);
    for (const TreePartType& part : grouped_part_types(type.groups, spec.shape, about_zero))
      add_part(tree, part.name, part.type, taken(spec.name + "." + part.name));
    return stored_tree(std::make_shared<const WeightTree>(std::move(tree)));
  }

  StoredWeight sparse(const ParameterSpec& spec, const WeightType& type) {
    const std::string where = config_path_ + ", " + quantization_key + ", " + spec.name;
    if (spec.shape.rank() != 2 || spec.shape.last() > 65536)
      refuse_parts(where, type, spec.shape, "a matrix, at most 65536 wide", "another");
    WeightTree weight{.type = type, .shape = spec.shape};
    const auto part = [&](const SparsePartType& wanted, const MappedTensor& tensor) {
      add_part(weight, wanted.name, wanted.type, tensor);
    };
    const auto parts = [&] { return sparse_part_types(sparse_index(type, weight.kept), spec.shape); };
    // Places come first, and say how many values there are: those of four bits have no shape that does.
    const MappedTensor places = taken(spec.name + "." + parts().front().name);
    if (type.sparse->form == kernel::SparseForm::csr) {
      weight.kept = places.entry->shape.empty() ? 0 : places.entry->shape[0];
      part(parts().front(), places);
    } else {
      part(parts().front(), places);
      weight.kept =
          kernel::kept_in_mask(sparse_index(type, 0).format(), spec.shape[0], spec.shape[1],
                               reinterpret_cast<const std::uint8_t*>(weight.find("mask")->bytes.data()));
    }
    for (const SparsePartType& wanted : parts())
      if (!weight.find(wanted.name)) part(wanted, taken(spec.name + "." + wanted.name));
    const SparseIndex index = sparse_index(type, weight.kept);
    if (!kernel::SparseRows::is_sound(index.format(), spec.shape[0], spec.shape[1], kernel_parts(weight),
                                      weight.kept))
      refuse_parts(places.where(), type, spec.shape, "places in order within rows, as many as values",
                   "others: the file is damaged");
    return stored_tree(std::make_shared<const WeightTree>(std::move(weight)));
  }

  // As many cores as there are, from core0 on.
  StoredWeight train(const ParameterSpec& spec, const WeightType& type) {
    std::vector<StoredWeight> cores;
    std::vector<Shape> shapes;
    const std::string first = spec.name + "." + core_name(0);
    MappedTensor tensor = taken(first);
    const std::string where = tensor.where();
    for (std::size_t k = 0;; tensor = taken(spec.name + "." + core_name(++k))) {
      const auto& sizes = tensor.entry->shape;
      if (sizes.size() != 4 || tensor.entry->dtype != safetensors_dtype(type.dtype))
        refuse_parts(tensor.where(), type, spec.shape,
                     safetensors_dtype(type.dtype) + " [rows,left,columns,right]",
                     type_text(tensor.entry->dtype, sizes));
      shapes.push_back({sizes[0], sizes[1], sizes[2], sizes[3]});
      StoredWeight core{.type = {shapes.back(), type.dtype}};
      bytes_.find(tensor, core, result_.beside_bytes);
      cores.push_back(std::move(core));
      if (!tensors_.contains(spec.name + "." + core_name(k + 1))) break;
    }
    const std::string flaw = spec.shape.rank() != 2 ? "a table" : flaw_of_cores(shapes, spec.shape);
    if (!flaw.empty()) refuse_parts(where, type, spec.shape, flaw, "others");
    return stored_tree(tensor_train(spec.shape, type.dtype, std::move(cores)));
  }

  NamedTensors& tensors_;
  const std::string& config_path_;
  Bytes bytes_;
  MappedWeights result_;
};

}  // namespace

MappedWeights map_weights(NamedTensors& tensors, const WeightTypes& types,
                          const std::vector<ParameterSpec>& specs, const std::string& config_path) {
  Mapping mapping(tensors, config_path);
  for (const auto& [name, type] : types) mapping.map(name, type, find_spec(specs, name));
  return mapping.finish();
}

}  // namespace hone
