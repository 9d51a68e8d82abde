#include "run/golden_batch.hpp"

#include <algorithm>

#include "kernel/cross_entropy.hpp"

namespace hone {
namespace {

using Shape2 = std::vector<std::int64_t>;

[[noreturn]] void refuse(const SafetensorsFile& file, const char* what, const std::string& name) {
  throw Error(ErrorKind::input, {.what = what, .where = file.path() + ", tensor " + name});
}

// [batch,length]
Shape2 shape_of(const SafetensorsFile& file, const std::string& name) {
  const auto& shape = file.at(name).shape;
  if (shape.size() != 2 || shape[0] <= 0 || shape[1] <= 0) refuse(file, "it must be [batch,length]", name);
  return shape;
}

std::vector<std::int32_t> ids(const SafetensorsFile& file, const std::string& name, const Shape2& shape) {
  if (shape_of(file, name) != shape) refuse(file, "it has not the shape of the ids beside it", name);
  std::vector<std::int32_t> values;
  for (const std::int64_t id : golden_values<std::int64_t>(file, name, "I64"))
    values.push_back(static_cast<std::int32_t>(id));
  return values;
}

// How much of each row is no padding, by a tensor that is `padding` where it is; padding stands at the end.
template <class T>
std::vector<std::int32_t> lengths_of(const SafetensorsFile& file, const std::string& name, const char* dtype,
                                     const Shape2& shape, bool padding) {
  if (shape_of(file, name) != shape) refuse(file, "it has not the shape of the ids beside it", name);
  const auto marks = golden_values<T>(file, name, dtype);
  std::vector<std::int32_t> lengths;
  for (auto row = marks.begin(); row != marks.end(); row += shape[1]) {
    const auto padded = [padding](T mark) { return (mark != 0) == padding; };
    const auto end = row + shape[1], first = std::find_if(row, end, padded);
    if (!std::all_of(first, end, padded)) refuse(file, "padding must stand at the end of a row", name);
    lengths.push_back(static_cast<std::int32_t>(first - row));
  }
  return lengths;
}

// The labels of such a file are those of Transformers: position t is to predict labels[t + 1]. A model that
// looks back needs no mask for padding at the end.
GoldenBatch language_model_batch(const SafetensorsFile& file) {
  const std::string mask = "in.attention_mask";
  const Shape2 shape = shape_of(file, "in.input_ids");
  auto labels = ids(file, "in.labels", shape);
  for (auto row = labels.begin(); row != labels.end(); row += shape[1]) {
    std::rotate(row, row + 1, row + shape[1]);
    row[shape[1] - 1] = kernel::ignored_label;
  }
  GoldenBatch batch{.count = shape[0],
                    .seq = shape[1],
                    .inputs = {{"tokens", ids(file, "in.input_ids", shape)}, {"labels", std::move(labels)}}};
  if (file.find(mask)) batch.lengths = lengths_of<std::int64_t>(file, mask, "I64", shape, false);
  return batch;
}

std::vector<std::int32_t> source_lengths(const SafetensorsFile& file, const Shape2& shape) {
  const std::string name = "in.src_padding";
  if (file.find(name)) return lengths_of<std::uint8_t>(file, name, "BOOL", shape, true);
  return std::vector<std::int32_t>(static_cast<std::size_t>(shape[0]), static_cast<std::int32_t>(shape[1]));
}

GoldenBatch encoder_decoder_batch(const SafetensorsFile& file) {
  const Shape2 source = shape_of(file, "in.src"), target = shape_of(file, "in.tgt");
  if (source[0] != target[0]) refuse(file, "sources and targets are not as many", "in.tgt");
  return {.count = target[0],
          .seq = target[1],
          .inputs = {{"source", ids(file, "in.src", source)},
                     {"source_lengths", source_lengths(file, source)},
                     {"target", ids(file, "in.tgt", target)},
                     {"labels", ids(file, "in.labels", target)}},
          .sizes = {{"source_seq", source[1]}}};
}

}  // namespace

GoldenBatch read_golden_batch(const SafetensorsFile& file) {
  return file.find("in.src") ? encoder_decoder_batch(file) : language_model_batch(file);
}

}  // namespace hone
