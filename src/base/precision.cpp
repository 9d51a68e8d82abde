#include "hone/precision.hpp"

namespace hone {

Precision precision_from_name(const std::string& name) {
  if (name == "f32") return Precision::f32;
  if (name == "bf16") return Precision::bf16;
  throw Error(ErrorKind::usage, {.what = "unknown precision",
                                 .where = "precision",
                                 .expected = "f32 or bf16",
                                 .found = "'" + name + "'"});
}

const char* name(Precision precision) { return precision == Precision::f32 ? "f32" : "bf16"; }

}  // namespace hone
