#include "store/weight_names.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace hone {
namespace {

// Modules that wrap another one, wherever they stand in a name.
constexpr std::array<std::string_view, 4> wrappers{"_orig_mod", "module", "_fsdp_wrapped_module",
                                                   "_checkpoint_wrapped_module"};
// Holders of a whole model, in front of all its names.
constexpr std::array<std::string_view, 2> holders{"base_model", "model"};

template <std::size_t n>
bool is_one_of(const std::array<std::string_view, n>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string_view first_part(std::string_view name) { return name.substr(0, name.find('.')); }

// The parts of the model directly below the trunk, or where it has none at the top: "wte", "h", "ln_f".
std::set<std::string_view> parts_of(const FamilyNames& names, const std::vector<ParameterSpec>& specs) {
  std::set<std::string_view> parts;
  for (const ParameterSpec& spec : specs)
    if (std::string_view(spec.name).starts_with(names.trunk))
      parts.insert(first_part(std::string_view(spec.name).substr(names.trunk.size())));
  return parts;
}

std::string unwrapped(std::string_view name) {
  std::string plain;
  while (!name.empty()) {
    const std::string_view part = first_part(name);
    name.remove_prefix(std::min(name.size(), part.size() + 1));
    if (is_one_of(wrappers, part) || (plain.empty() && is_one_of(holders, part))) continue;
    plain += (plain.empty() ? "" : ".") + std::string(part);
  }
  return plain;
}

std::string plain_name(const std::string& name, const FamilyNames& names,
                       const std::vector<ParameterSpec>& specs, const std::set<std::string_view>& parts) {
  if (find_spec(specs, name)) return name;
  const std::string plain = unwrapped(name);
  return parts.contains(first_part(plain)) ? names.trunk + plain : plain;
}

// Where in "transformer.h.12.ln_1.weight" the layer's number is: the first part that is a number.
std::string layer_of(std::string_view name) {
  for (; !name.empty(); name.remove_prefix(std::min(name.size(), first_part(name).size() + 1))) {
    const std::string_view part = first_part(name);
    if (std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return std::string(part);
  }
  return {};
}

// Why the model has no place for this tensor, as a sentence and what to do.
ErrorText stranger(const std::string& name, const std::vector<ParameterSpec>& specs) {
  for (const char* part : {"lora_", "base_layer", "modules_to_save", "adapter", "prompt_encoder"})
    if (name.find(part) != std::string::npos)
      return {.what = "an adapter's weights are not merged into the model",
              .hint = "merge them first, by merge_and_unload() of peft, and save the model anew"};
  for (const char* part : {"qweight", "qzeros", "absmax", "quant_map", "quant_state", ".SCB", "weight_scale"})
    if (name.find(part) != std::string::npos)
      return {.what = "the weights are quantized in a way that hone does not read",
              .hint = "take the model's weights in F32, BF16 or F16"};
  const std::string layer = layer_of(name);
  const bool known = std::any_of(specs.begin(), specs.end(),
                                 [&](const ParameterSpec& s) { return layer_of(s.name) == layer; });
  if (!layer.empty() && !known)
    return {.what = "the file has more layers than config.json says",
            .hint = "set the number of layers in config.json to the file's, or take the files of one model"};
  return {.what = "the model that config.json describes has no such weight",
          .hint = "do config.json and the weights belong together?"};
}

}  // namespace

NamedTensors named_tensors(const WeightFiles& files, const FamilyNames& names,
                           const std::vector<ParameterSpec>& specs) {
  const auto parts = parts_of(names, specs);
  NamedTensors tensors;
  for (const MappedTensor& t : files.tensors()) {
    const auto [at, fresh] = tensors.emplace(plain_name(t.entry->name, names, specs, parts), t);
    if (!fresh)
      throw Error(ErrorKind::input, {.what = "two tensors are the weight " + at->first,
                                     .where = t.file->path(),
                                     .expected = "one",
                                     .found = at->second.entry->name + " and " + t.entry->name});
  }
  return tensors;
}

std::vector<std::string> unused_names(const NamedTensors& tensors, const FamilyNames& names,
                                      const std::vector<ParameterSpec>& specs) {
  const std::string head = names.head.substr(0, names.head.rfind('.') + 1);  // "lm_head."
  std::vector<std::string> rest;
  std::vector<const NamedTensors::value_type*> own;
  for (const auto& named : tensors) {
    const std::string& name = named.first;
    const bool buffer = std::any_of(names.buffers.begin(), names.buffers.end(),
                                    [&](const std::string& end) { return name.ends_with(end); });
    if (buffer || find_spec(specs, name)) continue;
    if (name.starts_with(names.trunk) || (!head.empty() && name.starts_with(head)))
      own.push_back(&named);
    else
      rest.push_back(named.second.entry->name);
  }
  if (own.empty()) return rest;
  ErrorText text = stranger(own.front()->first, specs);
  text.where = own.front()->second.file->path();
  text.found = "tensor " + own.front()->second.entry->name;
  if (own.size() > 1) text.found += " and " + std::to_string(own.size() - 1) + " more";
  throw Error(ErrorKind::input, text);
}

}  // namespace hone
