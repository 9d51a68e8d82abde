#include "hone/precision.hpp"

#include <array>

namespace hone {
namespace {

constexpr std::array names{"f32", "bf16", "fp16"};

}  // namespace

Precision precision_from_name(const std::string& name) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (name == names[i]) return static_cast<Precision>(i);
  throw Error(ErrorKind::usage, {.what = "unknown precision",
                                 .where = "precision",
                                 .expected = "f32, bf16 or fp16",
                                 .found = "'" + name + "'"});
}

const char* name(Precision precision) { return names[static_cast<std::size_t>(precision)]; }

}  // namespace hone
