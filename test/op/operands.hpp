// One call of an op on memory of its own: every operand and the scratch lie between guard zones, in exactly
// the bytes that they are said to need, and start as a pattern that reads as NaN.
#pragma once
#include <gtest/gtest.h>
#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/types.hpp"
#include "kernel/coded.hpp"
#include "layout/bind.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"

namespace hone {

// The value of element i of an input.
using Fill = std::function<double(std::int64_t i, Stream&)>;

inline Fill normals(double scale = 1) {
  return [scale](std::int64_t, Stream& s) { return scale * static_cast<double>(s.normal()); };
}
inline Fill ids(std::int64_t below) {
  return [below](std::int64_t, Stream& s) {
    return static_cast<double>(s.below(static_cast<std::uint64_t>(below)));
  };
}
inline Fill given(const std::vector<double>& values) {
  return [values](std::int64_t i, Stream&) { return values[static_cast<std::size_t>(i) % values.size()]; };
}

struct Input {
  TensorType type{};  // without axes: an optional one that is left out
  Fill fill = normals();
  std::int64_t gap = 0;  // elements between rows that belong to somebody else
};

struct OpCase {
  const OpRecord* op;
  std::vector<Input> inputs;
  Attributes attributes;
  std::vector<std::int64_t> output_gaps = {};          // as Input::gap
  std::function<void(const Call&)> prepare = nullptr;  // inputs that follow from others, by a reference
  double loose = 0;                                    // more room, as a share of an output's largest value
  Isa least = Isa::portable;                           // the first instruction set that takes it
};

// Bytes between two guard zones, which under AddressSanitizer nobody may read either.
class Guarded {
 public:
  explicit Guarded(std::int64_t bytes)
      : size_(bytes), all_(static_cast<std::size_t>(bytes + 2 * guard + 64), pattern) {
    forbid_zones();
  }
  std::byte* data() {
    const auto at = reinterpret_cast<std::uintptr_t>(all_.data()) + guard;
    return all_.data() + guard + (64 - at % 64) % 64;
  }
  std::size_t size() const { return static_cast<std::size_t>(size_); }
  std::vector<std::byte> bytes() { return {data(), data() + size_}; }
  bool intact() {
    ASAN_UNPOISON_MEMORY_REGION(all_.data(), all_.size());
    const auto untouched = [](std::byte b) { return b == pattern; };
    const bool both = std::all_of(all_.data(), data(), untouched) &&
                      std::all_of(data() + size_, all_.data() + all_.size(), untouched);
    forbid_zones();
    return both;
  }

  static constexpr std::byte pattern{0xff};  // a NaN in every floating type

 private:
  static constexpr std::int64_t guard = 256;
  void forbid_zones() {
    const std::byte* end = data() + size_;
    ASAN_POISON_MEMORY_REGION(all_.data(), static_cast<std::size_t>(data() - all_.data()));
    ASAN_POISON_MEMORY_REGION(end, static_cast<std::size_t>(all_.data() + all_.size() - end));
  }

  std::int64_t size_;
  std::vector<std::byte> all_;
};

inline Shape gapped(const Shape& shape, std::int64_t gap) {
  Shape strides = contiguous_strides(shape.with_last(shape.last() + gap));
  return strides;
}

class OpRun {
 public:
  // `like`: a run of the case that has not run yet, whose inputs are copied: some follow from others by a
  // slow reference.
  OpRun(const OpCase& c, ExecOptions options, const OpRun* like = nullptr)
      : case_(c), options_(options), pool_(options.threads) {
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      const bool there = c.inputs[i].type.shape.rank() > 0;
      ids_.push_back(!there ? TensorId{}
                            : program_.add({.name = "in" + std::to_string(i),
                                            .type = c.inputs[i].type,
                                            .role = Role::state,
                                            .strides = gapped(c.inputs[i].type.shape, c.inputs[i].gap)}));
    }
    emit(program_, *c.op, ids_, c.attributes, "case");
    for (std::size_t i = 0; i < c.output_gaps.size(); ++i) {
      TensorDef& t = program_[node().outputs[i]];
      t.strides = gapped(t.type.shape, c.output_gaps[i]);
    }
    for (const TensorDef& t : program_.tensors)
      memory_.emplace_back(t.alias == Alias::none ? span_bytes(t) : 0);
    call_ = describe(program_, node(), options_, pool_);
    for (std::size_t i = 0; i < call_.in.size(); ++i)
      if (call_.in[i]) call_.in[i].data = memory(node().inputs[i]).data();
    for (std::size_t i = 0; i < call_.out.size(); ++i) call_.out[i].data = memory(node().outputs[i]).data();
    like ? copy_inputs(*like) : fill();
  }

  // Lets output `i` take the place of the input that the op says it may overwrite; false where there is none.
  bool overlay(std::size_t i) {
    const int over = case_.op->alias ? case_.op->alias(node(), static_cast<int>(i)) : -1;
    if (over < 0) return false;
    const Operand& in = call_.in[static_cast<std::size_t>(over)];
    if (in.type.bytes() != call_.out[i].type.bytes() || in.strides != call_.out[i].strides) return false;
    call_.out[i].data = in.data;
    return true;
  }

  void run() {
    // Asked as the planner asks, without addresses: an op that looked at one would get another answer there.
    const std::int64_t bytes = scratch_bytes(program_, options_)[0];
    const Variant& variant = choose(node(), describe(program_, node(), options_, pool_));
    Guarded scratch(bytes);
    call_.scratch = bytes ? scratch.data() : nullptr;
    variant.run(call_);
    EXPECT_TRUE(scratch.intact()) << "scratch of " << bytes << " bytes";
  }
  void reference() { case_.op->reference(call_); }

  const Call& call() const { return call_; }
  std::vector<std::byte> output(std::size_t i) { return memory_at(call_.out[i].data).bytes(); }

  // Nothing but outputs was written: no guard, no gap between rows, no input that is not overwritten on
  // purpose.
  void expect_clean(const OpRun& before) {
    for (Guarded& m : memory_) EXPECT_TRUE(m.intact()) << "a guard zone was written";
    for (const auto* list : {&call_.in, &call_.out})
      for (const Operand& o : *list) EXPECT_TRUE(!o || gaps_intact(o)) << "written between rows";
    for (std::size_t i = 0; i < call_.in.size(); ++i) {
      if (!call_.in[i]) continue;
      const auto over = [&](const Operand& o) { return o.data == call_.in[i].data; };
      if (std::any_of(call_.out.begin(), call_.out.end(), over)) continue;
      if (is_blocks(call_.in[i].type.dtype)) {
        ASSERT_EQ(std::memcmp(call_.in[i].data, before.call_.in[i].data,
                              static_cast<std::size_t>(call_.in[i].type.bytes())),
                  0)
            << "input " << i << " was written";
        continue;
      }
      for (std::int64_t j = 0; j < call_.in[i].type.shape.elements(); ++j)
        ASSERT_EQ(op::get(call_.in[i], j), op::get(before.call_.in[i], j)) << "input " << i << " was written";
    }
  }

 private:
  const Node& node() const { return program_.nodes[0]; }
  Guarded& memory(TensorId id) { return memory_[static_cast<std::size_t>(program_.root(id).value)]; }
  Guarded& memory_at(const void* data) {
    return *std::find_if(memory_.begin(), memory_.end(), [&](Guarded& m) { return m.data() == data; });
  }
  static std::int64_t span_bytes(const TensorDef& t) {
    if (is_blocks(t.type.dtype)) return t.type.bytes();
    std::int64_t last = 0;
    for (int axis = 0; axis < t.type.shape.rank(); ++axis) last += (t.type.shape[axis] - 1) * t.strides[axis];
    return row_bytes(t.type.dtype, last + 1);
  }
  // Blocks of random codes, with scales and minima of some hundredths.
  static void fill_blocks(const Operand& o, Stream& stream) {
    const std::int64_t bytes = row_bytes(o.type.dtype, 1);
    for (std::int64_t block = 0; block < o.type.bytes() / bytes; ++block) {
      std::byte* at = o.as<std::byte>() + block * bytes;
      for (std::int64_t i = 0; i < bytes; ++i) at[i] = static_cast<std::byte>(stream.below(256));
      for (const std::int64_t half : halves_of(o.type.dtype)) {
        const std::uint16_t bits = to_f16(stream.normal() / 64).bits;
        std::memcpy(at + half, &bits, sizeof bits);
      }
    }
  }
  // Where a block has numbers in f16.
  static std::vector<std::int64_t> halves_of(DType dtype) {
    if (const auto coded = kernel::find_code_format(op::element(dtype)))
      return coded->has_minimum ? std::vector<std::int64_t>{0, 2} : std::vector<std::int64_t>{0};
    switch (dtype) {
      case DType::q5_1:
      case DType::q4_k:
      case DType::q5_k:
        return {0, 2};
      case DType::q2_k:
        return {80, 82};
      case DType::q3_k:
        return {108};
      case DType::q6_k:
        return {208};
      default:
        return {0};
    }
  }
  void fill() {
    for (std::size_t i = 0; i < call_.in.size(); ++i) {
      if (!call_.in[i]) continue;
      Stream stream(stream_key("input " + std::to_string(i), 1));
      if (is_blocks(call_.in[i].type.dtype)) {
        fill_blocks(call_.in[i], stream);
        continue;
      }
      for (std::int64_t j = 0; j < call_.in[i].type.shape.elements(); ++j)
        op::set(call_.in[i], j, case_.inputs[i].fill(j, stream));
    }
    if (case_.prepare) case_.prepare(call_);
  }
  void copy_inputs(const OpRun& from) {
    for (std::size_t i = 0; i < call_.in.size(); ++i)
      if (call_.in[i]) std::memcpy(call_.in[i].data, from.call_.in[i].data, memory(node().inputs[i]).size());
  }
  static bool gaps_intact(const Operand& o) {
    if (is_blocks(o.type.dtype)) return true;  // read only
    const std::int64_t size = size_bytes(o.type.dtype), width = o.type.shape.last();
    for (std::int64_t row = 0; row + 1 < o.type.shape.rows(); ++row) {
      const std::byte* at = o.as<std::byte>() + row * o.row_stride() * size;
      const auto untouched = [](std::byte b) { return b == Guarded::pattern; };
      if (o.row_stride() > width && !std::all_of(at + width * size, at + o.row_stride() * size, untouched))
        return false;
    }
    return true;
  }

  const OpCase& case_;
  ExecOptions options_;
  ThreadPool pool_;
  Program program_;
  std::vector<TensorId> ids_;
  std::vector<Guarded> memory_;  // of each tensor that owns storage
  Call call_;
};

}  // namespace hone
