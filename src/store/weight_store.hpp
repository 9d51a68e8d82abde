// A model's weights, read-only: from files, from a snapshot, or initialisers that were not run yet.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/arena.hpp"
#include "file/weight_files.hpp"
#include "op/builder_state.hpp"
#include "store/weight_names.hpp"
#include "store/weight_tree.hpp"

namespace hone {

// A weight as programs read it. In pages of its own: what malloc gives for 10 MB it may keep when freed (171
// MiB stayed of ten generators of gpt2). Or where it lies in a mapped file, which nobody writes to.
class HeldWeight {
 public:
  explicit HeldWeight(std::int64_t bytes)
      : memory_(std::in_place, static_cast<std::size_t>(bytes)), bytes_(memory_->data(), memory_->size()) {}
  HeldWeight(std::span<const std::byte> mapped, std::shared_ptr<const void> owner)
      : owner_(std::move(owner)), bytes_(const_cast<std::byte*>(mapped.data()), mapped.size()) {}
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::optional<Arena> memory_;
  std::shared_ptr<const void> owner_;
  std::span<std::byte> bytes_;
};

// Room for one weight at a time, turned to a file's layout; pages of its own, for the same reason.
class TurnedWeight {
 public:
  std::span<std::byte> of(std::size_t bytes) {
    if (!memory_ || memory_->size() < bytes) memory_.reset(), memory_.emplace(bytes);
    return {memory_->data(), bytes};
  }

 private:
  std::optional<Arena> memory_;
};

class WeightStore {
 public:
  // Fresh values by each parameter's initialiser, from streams keyed by its name and the seed.
  static WeightStore fresh(std::uint64_t seed);
  // Tensors of mapped files, by the parameters' names. Error(input) for a parameter that has none, or one of
  // another shape, or of a type that is not read.
  static WeightStore mapped(std::shared_ptr<const WeightFiles> files, NamedTensors tensors,
                            const std::vector<ParameterSpec>& parameters);
  // This store with these weights in the place of its own, or beside them. `path`, of the file that they lie
  // in, is for messages; `beside_bytes`: what of it is mapped and no weight.
  WeightStore with_stored(std::map<std::string, StoredWeight> weights, const std::string& path = {},
                          std::int64_t beside_bytes = 0) const;
  // Values in file layout, by name.
  static WeightStore snapshot(std::map<std::string, std::vector<std::byte>> values);
  // This store with further weights, f32 in file layout: an adapter's. What it had is shared.
  WeightStore with(std::map<std::string, std::vector<std::byte>> values) const;
  // The weights of this store under other names: NAME is what names.at(NAME) is here. What a mapped file has
  // stays there.
  WeightStore renamed(const std::map<std::string, std::string>& names) const;

  // The values of a parameter in f32, as files keep it ([in,out] where the spec says transposed). What the
  // store has no values for begins with its initial ones.
  void read_file_layout(const ParameterSpec& spec, std::span<float> values) const;
  // The bytes of its own type, as files keep it; and as programs do ([out,in]).
  void read_as_filed(const ParameterSpec& spec, std::span<std::byte> values) const;
  void read(const ParameterSpec& spec, std::span<std::byte> values) const;
  // The same in memory, or what is derived from it: made once for each encoding, and the same for all who
  // hold it at a time, on any thread and through any copy of this store. `encoding` names what `make` does;
  // the first who asks for it has it made, into memory of so many bytes. None: the weight itself.
  using Make = std::function<void(const HeldWeight& made)>;
  std::shared_ptr<const HeldWeight> hold(const ParameterSpec& spec) const;
  std::shared_ptr<const HeldWeight> hold(const std::string& weight, const std::string& encoding,
                                         std::int64_t bytes, const Make& make) const;
  WeightTrees trees() const;  // the weights that files have as trees of components
  // The types in which files have weights, of those that have another than f32; of trees that of the whole
  // weight, and of tensor trains the cores' too.
  std::map<std::string, DType> stored_types() const;
  // What of a mapped weight is in memory may go: whoever reads it again has it read anew.
  void drop(const ParameterSpec& spec) const;
  // Is this weight, in this type, computed from where it lies? What of the file is mapped beside weights.
  bool is_mapped(const ParameterSpec& spec) const;
  // Is it read where it lies, in a file or made by somebody, so that holding it takes nothing more?
  bool is_in_place(const ParameterSpec& spec) const;
  std::int64_t mapped_beside_bytes() const { return beside_bytes_; }
  // Error(input) where one of these values of a parameter is no number or infinite, with its file.
  void require_finite(const ParameterSpec& spec, std::span<const float> values) const;

 private:
  struct Held {
    std::recursive_mutex lock;  // what is derived holds the weight while it is made
    std::map<std::pair<std::string, std::string>, std::weak_ptr<const HeldWeight>>
        weights;  // by name and encoding
  };

  std::uint64_t seed_ = 0;
  std::shared_ptr<const WeightFiles> files_;
  NamedTensors tensors_;                        // in files_
  std::map<std::string, StoredWeight> stored_;  // before tensors_ and snapshot_
  std::string path_;
  std::int64_t beside_bytes_ = 0;
  std::shared_ptr<const std::map<std::string, std::vector<std::byte>>> snapshot_;
  std::shared_ptr<Held> held_ = std::make_shared<Held>();
  // Further weights, and who holds them: another store with others of these names shares neither.
  struct More {
    std::map<std::string, std::vector<std::byte>> values;
    Held held;
  };
  std::shared_ptr<More> more_;

  Held& held_of(const std::string& weight) const;
  // A weight, or one that NAME.COMPONENT of a tree of components is.
  const StoredWeight* find_stored(const std::string& name) const;
};

// Error(input) where what is derived from a weight, in this type, is infinite: f16 ends at 65504, f32 does
// not.
void require_range(const std::string& weight, DType dtype, std::span<const std::byte> derived);

// Do files keep it as [in,out]? Blocks are rows of programs' layout wherever they are.
bool is_turned(const ParameterSpec& spec);
// The shape that files keep: swapped where it is turned.
Shape file_shape(const ParameterSpec& spec);
// From programs' layout to files', and back, in the weight's own type.
void to_file_layout(const ParameterSpec& spec, std::span<const std::byte> from, std::span<std::byte> to);
void from_file_layout(const ParameterSpec& spec, std::span<const std::byte> from, std::span<std::byte> to);

// Hands out a parameter's bytes, of its own type and in file layout; the span is valid until the next call.
using WeightReader = std::function<std::span<const std::byte>(const ParameterSpec&)>;

// f32 in file layout, of a weight's bytes of the spec's type as a WeightReader gives them.
void widen_as_filed(const ParameterSpec& spec, std::span<const std::byte> bytes, std::span<float> values);

// model.safetensors, each tensor in its own type; blocks are U8[rows, bytes of a row], behind all others.
// What was written appears at commit().
SafetensorsWriter written_weights(const std::string& path, std::vector<ParameterSpec> parameters,
                                  const WeightReader& read, const SafetensorsWriting& writing = {});
// What that file has, by its header, in its order.
std::vector<SafetensorsSpec> weight_file_specs(std::vector<ParameterSpec> parameters);
// XXH3-128 over name, shape and bytes of every parameter by name, as 32 hex digits.
std::string hash_weights(std::vector<ParameterSpec> parameters, const WeightReader& read);

}  // namespace hone
