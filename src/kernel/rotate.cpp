#include "kernel/rotate.hpp"

#include <algorithm>

#include "kernel/divide.hpp"
#include "kernel/isa/rotate_isa.hpp"

namespace hone::kernel {

void run(const Rotate& a, Isa isa, ThreadPool& pool) {
  const RotateTable& f = rotate_table_of(isa);
  const std::int64_t step = std::max<std::int64_t>(1, 16384 / (a.heads * a.D));
  pool.run(divide_up(a.rows, step),
           [&](std::int64_t task, int) { f.rotate(a, task * step, std::min(step, a.rows - task * step)); });
}

}  // namespace hone::kernel
