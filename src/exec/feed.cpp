#include "exec/feed.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "hone/nearest.hpp"
#include "kernel/cross_entropy.hpp"
#include "op/inputs.hpp"

namespace hone {
namespace {

std::string plain_name(const TensorDef& input) { return input.name.substr(1); }  // without '$'

const Samples::Values* find(const Samples& samples, const TensorDef& input) {
  const auto found = samples.values().find(plain_name(input));
  return found == samples.values().end() ? nullptr : &found->second;
}

std::int64_t bytes_of(const TensorDef& input, std::int64_t samples) {
  const std::int64_t all = input.type.bytes();
  return input.input.once_a_step ? all : all / input.type.shape[0] * samples;
}

void check_size(const TensorDef& input, const Samples& samples) {
  const Samples::Values* given = find(samples, input);
  if (!given) {
    std::string names;
    for (const auto& each : samples.values()) names += (names.empty() ? "" : ", ") + each.first;
    throw Error(ErrorKind::usage, {.what = "the batch lacks an input of the network",
                                   .where = plain_name(input),
                                   .expected = to_string(input.type) + " for each micro-batch",
                                   .found = names.empty() ? "nothing" : names});
  }
  const bool whole = input.type.dtype == DType::i32;
  const auto expected = bytes_of(input, samples.count());
  if (static_cast<std::int64_t>(given->bytes.size()) == expected && whole == given->whole_numbers &&
      given->once == input.input.once_a_step)
    return;
  const auto text = [](std::int64_t bytes, bool integers, bool once) {
    return std::to_string(bytes / 4) + (integers ? " i32" : " f32") + (once ? ", once" : "");
  };
  throw Error(ErrorKind::usage, {.what = "the batch's values do not fit the input",
                                 .where = plain_name(input),
                                 .expected = text(expected, whole, input.input.once_a_step),
                                 .found = text(static_cast<std::int64_t>(given->bytes.size()),
                                               given->whole_numbers, given->once)});
}

// "tokens [3,17]" for element i of an input.
std::string place_of(const TensorDef& input, std::size_t i) {
  const std::int64_t each = input.type.shape.elements() / input.type.shape[0];
  const auto at = static_cast<std::int64_t>(i);
  const std::string inside = each > 1 ? "," + std::to_string(at % each) : "";
  return plain_name(input) + " [" + std::to_string(at / each) + inside + "] of the batch";
}

void check_range(const TensorDef& input, std::span<const std::int32_t> values) {
  const bool labels = input.input.meaning == Meaning::labels,
             lengths = input.input.meaning == Meaning::lengths;
  // Of nothing there is no attention: softmax over no key is 0 / 0.
  const std::int64_t least = lengths ? 1 : 0, most = lengths ? input.input.below : input.input.below - 1;
  if (input.input.below <= 0) return;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= least && values[i] <= most) continue;
    if (labels && values[i] == kernel::ignored_label) continue;
    throw Error(ErrorKind::input, {.what = lengths ? "a length is out of range" : "an id is out of range",
                                   .where = place_of(input, i),
                                   .expected = std::to_string(least) + " to " + std::to_string(most) +
                                               (labels ? ", or -100" : ""),
                                   .found = std::to_string(values[i]),
                                   .hint = input.name == input::tokens || input.name == input::labels
                                               ? "the tokenizer does not fit the model"
                                               : ""});
  }
}

void check_finite(const TensorDef& input, const Samples::Values& given) {
  const std::span values(reinterpret_cast<const float*>(given.bytes.data()),
                         given.bytes.size() / sizeof(float));
  const auto bad = std::ranges::find_if(values, [](float x) { return !std::isfinite(x); });
  if (bad != values.end())
    throw Error(ErrorKind::input, {.what = "a value is not finite",
                                   .where = place_of(input, static_cast<std::size_t>(bad - values.begin())),
                                   .expected = "finite numbers",
                                   .found = std::isnan(*bad) ? "NaN" : "an infinite one"});
}

void write_batch(std::span<std::byte> to, const TensorDef& input, const Samples& samples,
                 std::span<const std::int64_t> rows) {
  const Samples::Values& given = *find(samples, input);
  if (given.once) {
    std::copy(given.bytes.begin(), given.bytes.end(), to.begin());
    return;
  }
  const auto count = rows.empty() ? samples.count() : std::ssize(rows);
  const auto each = static_cast<std::size_t>(input.type.bytes() / input.type.shape[0]);
  const std::size_t stride = given.bytes.size() / static_cast<std::size_t>(samples.count());
  for (std::int64_t i = 0; i < input.type.shape[0]; ++i) {
    const auto row = to.subspan(static_cast<std::size_t>(i) * each, each);
    if (i >= count && input.input.meaning == Meaning::labels) {
      std::fill_n(reinterpret_cast<std::int32_t*>(row.data()), each / sizeof(std::int32_t),
                  kernel::ignored_label);
      continue;
    }
    const std::int64_t place = i < count ? i : 0;
    const std::int64_t sample = rows.empty() ? place : rows[static_cast<std::size_t>(place)];
    std::ranges::copy(given.bytes.subspan(static_cast<std::size_t>(sample) * stride, each), row.begin());
  }
}

void write_place(std::span<std::byte> to, const TensorDef& input, const Place& place) {
  auto* whole = reinterpret_cast<std::int32_t*>(to.data());
  const auto count = static_cast<std::int64_t>(to.size() / sizeof(std::int32_t));
  const bool behind_cache = input.input.meaning == Meaning::positions;
  const auto first_of = [&](std::int64_t sequence) {
    return place.positions.empty() ? place.position : place.positions[static_cast<std::size_t>(sequence)];
  };
  switch (input.input.meaning) {
    case Meaning::positions:
    case Meaning::own_positions:
      for (std::int64_t i = 0; i < count; ++i)
        whole[i] = static_cast<std::int32_t>((behind_cache ? first_of(i / input.type.shape.last()) : 0) +
                                             i % input.type.shape.last());
      break;
    case Meaning::cache_lengths:
      for (std::int64_t i = 0; i < count; ++i) whole[i] = static_cast<std::int32_t>(first_of(i));
      break;
    case Meaning::step:
      std::memcpy(to.data(), &place.step, sizeof place.step);
      break;
    case Meaning::loss_scale: {
      const auto counted = place.counts.find(input.input.counts);
      const std::int64_t labels = counted == place.counts.end() ? 1 : counted->second;
      const float scale =
          input.input.weight / static_cast<float>(std::max<std::int64_t>(1, labels)) * place.loss_scale;
      std::memcpy(to.data(), &scale, sizeof scale);
      break;
    }
    default:  // a cache's table is written once; the update's scalars by whoever updates
      break;
  }
}

}  // namespace

std::span<const std::int32_t> whole_numbers(const Samples::Values& v) {
  return {reinterpret_cast<const std::int32_t*>(v.bytes.data()), v.bytes.size() / sizeof(std::int32_t)};
}

void check_samples(const Program& p, const Samples& samples) {
  for (const TensorId id : p.inputs()) {
    const TensorDef& input = p[id];
    if (!of_batch(input.input.meaning)) continue;
    check_size(input, samples);
    const Samples::Values& given = *find(samples, input);
    input.type.dtype == DType::i32 ? check_range(input, whole_numbers(given)) : check_finite(input, given);
  }
}

void check_names(std::initializer_list<const Program*> programs, const Samples& samples) {
  std::vector<std::string> known;
  for (const Program* p : programs)
    for (const TensorId id : p->inputs())
      if (of_batch((*p)[id].input.meaning)) known.push_back(plain_name((*p)[id]));
  for (const auto& given : samples.values())
    if (std::ranges::find(known, given.first) == known.end())
      throw Error(
          ErrorKind::usage,
          {.what = "the network reads no input '" + given.first + "'",
           .where = "Samples::set",
           .hint = known.empty() ? "it reads none" : "the nearest is '" + nearest(given.first, known) + "'"});
}

LabelCounts count_labels(const Program& p, const Samples& samples, std::span<const std::int64_t> rows) {
  LabelCounts counts;
  const auto counted = [](std::span<const std::int32_t> values) {
    return std::ranges::count_if(values, [](std::int32_t label) { return label != kernel::ignored_label; });
  };
  for (const TensorId id : p.inputs()) {
    const TensorDef& input = p[id];
    if (input.input.meaning != Meaning::labels) continue;
    const auto values = whole_numbers(*find(samples, input));
    const std::size_t each = values.size() / static_cast<std::size_t>(samples.count());
    if (rows.empty()) counts[input.name] = counted(values);
    for (const std::int64_t row : rows)
      counts[input.name] += counted(values.subspan(static_cast<std::size_t>(row) * each, each));
  }
  return counts;
}

void feed(Executor& executor, std::size_t program, const Samples& samples, const Place& place,
          std::span<const std::int64_t> rows) {
  const JobPlan& plan = executor.plan();
  for (const TensorId id : plan.inputs(program)) {
    const TensorDef& input = plan.programs()[program][id];
    const auto to = executor.input(program, id);
    if (of_batch(input.input.meaning))
      write_batch(to, input, samples, rows);
    else
      write_place(to, input, place);
  }
}

}  // namespace hone
