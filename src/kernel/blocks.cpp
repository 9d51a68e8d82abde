#include "kernel/blocks.hpp"

#include "kernel/isa/blocks_isa.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

void expand(In values, std::span<float> to) {
  blocks_table_of(best_isa()).expand(values, static_cast<std::int64_t>(to.size()), to.data());
}

}  // namespace hone::kernel
