// What a generator has read, as a file: a safetensors file of the ids, the last logits, and each cache's
// rows. It fits one model in one precision on one kind of CPU, and says so.
#include <cstring>
#include <memory>

#include "file/mapped.hpp"
#include "file/safetensors.hpp"
#include "model/model_impl.hpp"
#include "run/cache_tables.hpp"
#include "run/generator_impl.hpp"

namespace hone {
namespace {

constexpr const char *format = "hone_prompt_cache", *tokens = "tokens", *logits_name = "logits";

// Dense f32 has the same bits on all but the portable instruction set (doc/numerics.md).
std::string instructions(const GeneratePlan& plan) {
  const GenerateOptions& o = plan.options();
  const bool dense = !o.int8 && !has_blocks(plan.model()) &&
                     std::ranges::none_of(plan.model().impl().store.trees(), [](const auto& named) {
                       return named.second->type.sparse != nullptr;
                     });
  return dense && o.precision == Precision::f32 && o.isa != name(Isa::portable)
             ? "avx2 or more"
             : std::string(name(same_bits_as(isa_from_name(o.isa))));
}

// In the order in which a misfit is said.
std::vector<std::pair<std::string, std::string>> identity(const GeneratePlan& plan) {
  const GenerateOptions& o = plan.options();
  return {{"format", format},
          {"version", "2"},
          {"model", plan.model().identity(o.context)},
          {"precision", std::string(name(o.precision)) + (o.int8 ? " in int8" : "") +
                            (o.cache == CacheType::int8 ? " with an int8 cache" : "")},
          {"instruction set", instructions(plan)}};
}

struct Content {
  std::vector<SafetensorsSpec> specs;
  std::string digest;  // of all bytes, in that order
};

template <class Take>
void each_piece(Generator::Impl& g, const Take& take) {
  take(tokens, std::as_bytes(std::span(g.history)));
  take(logits_name, std::as_bytes(g.logits()));
  each_cached(g.executor, g.position,
              [&](const TensorDef& cache, std::span<std::byte> piece) { take(cache.name, piece); });
}

std::vector<SafetensorsSpec> specs_of(Generator::Impl& g) {
  std::vector<SafetensorsSpec> specs{{tokens, safetensors_dtype(DType::i32), {g.position}},
                                     {logits_name, safetensors_dtype(DType::f32), {std::ssize(g.logits())}}};
  each_cached(g.executor, 1, [&](const TensorDef& cache, std::span<std::byte>) {
    specs.push_back({cache.name, safetensors_dtype(cache.type.dtype), {g.position, cache.type.shape[2]}});
  });
  return specs;
}

// Why the file is none for this generator; empty if it is.
std::string misfit(const SafetensorsFile& file, const GeneratePlan& plan) {
  const auto& metadata = file.metadata();
  for (const auto& [key, value] : identity(plan)) {
    const auto found = metadata.find(key);
    if (found == metadata.end() || found->second != value)
      return "it is of another " + key + ": " + (found == metadata.end() ? "none" : found->second) +
             ", not " + value;
  }
  if (file.at(tokens).shape.size() != 1 || file.at(tokens).dtype != safetensors_dtype(DType::i32))
    return "it is damaged";
  const std::int64_t positions = file.at(tokens).shape[0];
  if (positions < 1 || positions > plan.options().context)
    return "it has " + std::to_string(positions) + " tokens, and the context only " +
           std::to_string(plan.options().context);
  return {};
}

bool same_layout(const SafetensorsFile& file, const std::vector<SafetensorsSpec>& specs) {
  for (const SafetensorsSpec& s : specs) {
    const SafetensorsEntry* e = file.find(s.name);
    if (!e || e->dtype != s.dtype || e->shape != s.shape) return false;
  }
  return file.entries().size() == specs.size();
}

std::string digest_of(const SafetensorsFile& file, const std::vector<SafetensorsSpec>& specs) {
  Digest digest;
  std::vector<std::byte> bytes;
  for (const SafetensorsSpec& s : specs) {
    bytes.resize(file.at(s.name).bytes);
    file.read(file.at(s.name), bytes);
    digest.add(bytes);
  }
  return digest.hex();
}

// A cache that is cut short no longer opens; that it was one its first bytes say.
bool was_cache(const std::string& path) {
  const std::string head = read_head(path);
  return head.empty() || head.find(format) != std::string::npos;
}

std::unique_ptr<SafetensorsFile> opened(const std::string& path) {
  try {
    return std::make_unique<SafetensorsFile>(path);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::input || !was_cache(path)) throw;
    return nullptr;
  }
}

}  // namespace

void Generator::save_cache(const std::string& path) const {
  const GeneratorInUse guard(impl_.get());
  Impl& g = *impl_;
  if (g.position == 0 || std::ssize(g.history) != g.position)
    throw Error(ErrorKind::usage,
                {.what = "there is no prompt to save", .where = "Generator", .hint = "append() first"});
  Digest digest;
  each_piece(g, [&](const std::string&, std::span<const std::byte> bytes) { digest.add(bytes); });
  const auto of = identity(g.plan);
  std::map<std::string, std::string> metadata(of.begin(), of.end());
  metadata["digest"] = digest.hex();
  SafetensorsWriter writer(path, specs_of(g), metadata);
  each_piece(g,
             [&](const std::string& name, std::span<const std::byte> bytes) { writer.write(name, bytes); });
  writer.commit();
}

Generator::CacheLoaded Generator::load_cache(const std::string& path) {
  const GeneratorInUse guard(impl_.get());
  Impl& g = *impl_;
  const auto there = opened(path);
  if (!there) return {0, "it is damaged"};
  const SafetensorsFile& file = *there;
  const auto kind = file.metadata().find("format");
  if (kind == file.metadata().end() || kind->second != format)
    throw Error(ErrorKind::input,
                {.what = "the file is no prompt cache", .where = path, .hint = "name another file for it"});
  if (const std::string why = misfit(file, g.plan); !why.empty()) return {0, why};
  const std::int64_t positions = file.at(tokens).shape[0];
  g.reset();
  g.position = positions;
  g.history.resize(static_cast<std::size_t>(positions));
  g.restored.resize(static_cast<std::size_t>(g.logits_width()));
  const auto specs = specs_of(g);
  const auto digest = file.metadata().find("digest");
  if (!same_layout(file, specs) || digest == file.metadata().end() ||
      digest->second != digest_of(file, specs)) {
    g.reset();
    return {0, "it is damaged"};
  }
  file.read(file.at(tokens), std::as_writable_bytes(std::span(g.history)));
  file.read(file.at(logits_name), std::as_writable_bytes(std::span(g.restored)));
  std::string last;
  std::size_t at = 0;
  each_cached(g.executor, positions, [&](const TensorDef& cache, std::span<std::byte> piece) {
    at = cache.name == last ? at : 0;
    last = cache.name;
    file.read(file.at(cache.name), piece, at);
    at += piece.size();
  });
  return {positions, {}};
}

}  // namespace hone
