// GGUF files for tests: from folders with numbers of reference, and with other keys or tensors.
#pragma once
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "difference.hpp"
#include "file/gguf_writer.hpp"
#include "hone/convert.hpp"
#include "hone/generate.hpp"
#include "hone/model.hpp"
#include "temporary_folder.hpp"

namespace hone {

// Of what a GGUF file can say; test/data/models has some of what it cannot.
inline std::string golden(const std::string& name) {
  const std::string plain = HONE_TEST_DATA "/gguf/" + name;
  return is_folder(plain) ? plain : HONE_TEST_DATA "/models/" + name;
}

// Where an earlier call may have left a file.
inline ConvertReport convert_anew(const std::string& from, const std::string& to,
                                  const ConvertOptions& options) {
  std::filesystem::remove(to);
  return convert(from, to, options);
}

inline std::vector<float> logits(const Model& model, const GenerateOptions& options = {},
                                 std::int64_t tokens = 9) {
  Generator generator(GeneratePlan(model, options));
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < tokens; ++i)
    ids.push_back(static_cast<std::int32_t>((i * 7 + 3) % model.vocab_size()));
  generator.append(ids);
  const auto found = generator.logits();
  return {found.begin(), found.end()};
}

// The same file without, or with another, of its keys and tensors.
inline std::string changed(const TemporaryFolder& folder, const std::string& from,
                           const std::function<bool(GgufWriter&, const std::string&)>& key,
                           const std::function<std::string(const GgufTensor&)>& name) {
  const GgufFile file(from);
  std::string to = folder.file("changed.gguf");
  GgufWriter out(to);
  for (const auto& [k, entry] : file.metadata())
    if (!key(out, k)) out.key(k, entry);
  for (const GgufTensor& t : file.tensors())
    if (!name(t).empty()) out.tensor(name(t), *t.type.dtype, t.shape);
  for (const GgufTensor& t : file.tensors())
    if (!name(t).empty()) out.write(name(t), file.bytes(t));
  out.commit();
  return to;
}

// The same file with a key, or with another value of it.
template <class Value>
std::string with_key(const TemporaryFolder& folder, const std::string& from, const std::string& key,
                     const Value& value) {
  const GgufFile file(from);
  std::string to = folder.file("changed.gguf");
  GgufWriter out(to);
  for (const auto& [k, entry] : file.metadata())
    if (k != key) out.key(k, entry);
  out.key(key, value);
  for (const GgufTensor& t : file.tensors()) out.tensor(t.name, *t.type.dtype, t.shape);
  for (const GgufTensor& t : file.tensors()) out.write(t.name, file.bytes(t));
  out.commit();
  return to;
}

}  // namespace hone
