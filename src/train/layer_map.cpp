// Which states of a student are held against which of its teacher's, and what they are called.
#include "train/layer_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "model/model_impl.hpp"

namespace hone {
namespace {

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return {};
  return value;
}

[[noreturn]] void refuse(const std::string& what, const std::string& expected, const std::string& found) {
  throw Error(ErrorKind::usage, {.what = what, .where = "map", .expected = expected, .found = found});
}

constexpr std::array<const char*, 3> ends{".attention.q", ".attention.k", ".attention.v"};

struct Stack {
  std::int64_t layers = 0, width = 0, queries = 0, keys = 0;
};

// By a program of one token.
Stack stack_of(const Model& model, const char* who) {
  const Forward forward = model.impl().write({.batch = 1, .seq = 1});
  const std::vector<std::string> names = layer_states(forward.activations, who);
  const auto width = [&](const std::string& name) {
    return forward.program[forward.activations.at(name)].type.shape.last();
  };
  Stack stack{.layers = std::ssize(names), .width = width(names[0])};
  const auto has = [&](const auto& a) {
    return a.first.starts_with(names[0] + ".") && a.first.ends_with(ends[0]);
  };
  if (std::ranges::count_if(forward.activations, has) != 1) return stack;
  const auto operands = attention_operands(forward.activations, names[0], who);
  stack.queries = width(operands[0]), stack.keys = width(operands[1]);
  return stack;
}

// The last states of both are the same, and between them the teacher's layers are spread evenly (Jiao et al.,
// "TinyBERT", arXiv 1909.10351: their "uniform" map, the best of three).
std::vector<LayerPair> evenly(std::int64_t student, std::int64_t teacher) {
  std::vector<LayerPair> pairs;
  for (std::int64_t i = 0; i < student; ++i)
    pairs.push_back({i, std::max<std::int64_t>(0, (i + 1) * teacher / student - 1)});
  return pairs;
}

LayerPair pair_from(const std::string& text, const std::string& all, const Stack& student,
                    const Stack& teacher) {
  const std::size_t equals = text.find('=');
  const auto own =
      equals == std::string::npos ? std::nullopt : number_of(std::string_view(text).substr(0, equals));
  const auto other = own ? number_of(std::string_view(text).substr(equals + 1)) : std::nullopt;
  if (!own || !other)
    refuse("no map of layers", "the student's=the teacher's, by commas: 0=1,1=3", "'" + all + "'");
  if (*own >= student.layers)
    refuse("the student has no such layer", fmt::format("0 to {}", student.layers - 1), std::to_string(*own));
  if (*other >= teacher.layers)
    refuse("the teacher has no such layer", fmt::format("0 to {}", teacher.layers - 1),
           std::to_string(*other));
  return {*own, *other};
}

}  // namespace

std::vector<std::string> layer_states(const std::map<std::string, TensorId>& activations, const char* who) {
  std::map<std::string, std::set<std::int64_t>> stacks;  // numbers by what stands before them
  for (const auto& activation : activations) {
    const std::string& name = activation.first;
    const std::size_t dot = name.rfind('.');
    if (dot == std::string::npos) continue;
    if (const auto number = number_of(std::string_view(name).substr(dot + 1)))
      stacks[name.substr(0, dot + 1)].insert(*number);
  }
  std::erase_if(stacks, [](const auto& stack) {  // "gelu.2" is the second of a name
    const auto& numbers = stack.second;
    return *numbers.begin() != 0 || *numbers.rbegin() != std::ssize(numbers) - 1;
  });
  if (stacks.size() != 1)
    throw Error(ErrorKind::usage,
                {.what = std::string("the ") + who + "'s hidden states are not known by name",
                 .where = "hidden",
                 .expected = "a decoder of a family; of one's own, layers' results named 'h.0', "
                             "'h.1', .. by named()",
                 .found = stacks.empty() ? "no such names" : "several stacks of layers"});
  std::vector<std::string> names;
  for (const std::int64_t number : stacks.begin()->second)
    names.push_back(stacks.begin()->first + std::to_string(number));
  return names;
}

std::array<std::string, 3> attention_operands(const std::map<std::string, TensorId>& activations,
                                              const std::string& layer, const char* who) {
  std::array<std::string, 3> operands;
  for (std::size_t i = 0; i < ends.size(); ++i)
    for (const auto& activation : activations) {
      const std::string& name = activation.first;
      if (!name.starts_with(layer + ".") || !name.ends_with(ends[i])) continue;
      if (!operands[i].empty())
        throw Error(ErrorKind::usage,
                    {.what = std::string("a layer of the ") + who + " has several attentions",
                     .where = "attention",
                     .expected = "one",
                     .found = operands[i] + ", " + name});
      operands[i] = name;
    }
  if (operands[0].empty())
    throw Error(ErrorKind::usage, {.what = std::string("a layer of the ") + who + " has no attention",
                                   .where = "attention",
                                   .expected = "one below the name " + layer});
  return operands;
}

LayerMap layer_map(const Model& teacher, const Model& student, const std::string& pairs) {
  const Stack from = stack_of(teacher, "teacher"), to = stack_of(student, "student");
  LayerMap map{.teacher_width = from.width,
               .student_width = to.width,
               .teacher_queries = from.queries,
               .teacher_keys = from.keys};
  if (pairs.empty()) map.pairs = evenly(to.layers, from.layers);
  std::set<std::int64_t> known;
  for (std::size_t at = 0; !pairs.empty() && at <= pairs.size();) {
    const std::size_t end = std::min(pairs.find(',', at), pairs.size());
    map.pairs.push_back(pair_from(pairs.substr(at, end - at), pairs, to, from));
    if (!known.insert(map.pairs.back().student).second)
      refuse("a layer of the student is named twice", "each once", std::to_string(map.pairs.back().student));
    at = end + 1;
  }
  return map;
}

std::string to_text(const LayerMap& map) {
  std::string text;
  for (const LayerPair& p : map.pairs)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", p.student, p.teacher);
  return text;
}

std::string teacher_state(std::int64_t layer) { return "teacher_state_" + std::to_string(layer); }

std::array<std::string, 3> teacher_operands(std::int64_t layer) {
  const std::string number = std::to_string(layer);
  return {"teacher_queries_" + number, "teacher_keys_" + number, "teacher_values_" + number};
}

}  // namespace hone
