// The vector instruction sets that this CPU has.
#pragma once
#include <vector>

#include "machine/isa.hpp"

namespace hone {

inline std::vector<Isa> vector_isas() {
  std::vector<Isa> all;
  for (const Isa isa : all_isas)
    if (isa != Isa::portable && cpu_has(isa)) all.push_back(isa);
  return all;
}

}  // namespace hone
