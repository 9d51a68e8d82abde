#include "store/mapped_blocks.hpp"

#include "file/mapped.hpp"
#include "hone/error.hpp"

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
  }

 private:
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;
};

void require_fit(const MappedTensor& t, const TensorType& type) {
  const std::int64_t width = type.shape.last();
  if (width % block_elements(type.dtype) != 0)
    throw Error(ErrorKind::input, {.what = "rows of the weight are not whole groups",
                                   .where = t.where(),
                                   .expected = "a multiple of " + std::to_string(block_elements(type.dtype)) +
                                               " for " + std::string(name(type.dtype)),
                                   .found = std::to_string(width)});
  const std::string expected = type_text("U8", type.shape.with_last(row_bytes(type.dtype, width)).sizes());
  const std::string found = type_text(t.entry->dtype, t.entry->shape);
  if (found != expected)
    throw Error(ErrorKind::input,
                {.what = "the quantized weight does not fit config.json",
                 .where = t.where(),
                 .expected = expected + ", " + std::string(name(type.dtype)) + " of " + to_string(type.shape),
                 .found = found});
}

}  // namespace

MappedBlocks map_blocks(NamedTensors& tensors, const BlockTypes& types,
                        const std::vector<ParameterSpec>& specs, const std::string& config_path) {
  MappedBlocks blocks;
  Bytes bytes;
  for (const auto& [name, dtype] : types) {
    const ParameterSpec* spec = find_spec(specs, name);
    const auto tensor = tensors.find(name);
    if (!spec || tensor == tensors.end())
      throw Error(ErrorKind::input,
                  {.what = spec ? "a quantized weight is missing" : "the model has no such weight",
                   .where = config_path + ", " + quantization_key,
                   .expected = spec ? "a tensor of that name beside config.json" : "a weight of the model",
                   .found = name});
    StoredWeight weight{.type = {spec->shape, dtype}};
    require_fit(tensor->second, weight.type);
    bytes.find(tensor->second, weight, blocks.beside_bytes);
    blocks.weights[name] = std::move(weight);
    tensors.erase(tensor);
  }
  return blocks;
}

}  // namespace hone
