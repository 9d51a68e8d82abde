#include "base/arena.hpp"

#include <sys/mman.h>

#include <string>

#include "hone/error.hpp"

namespace hone {

Arena::Arena(std::size_t bytes) : bytes_(bytes), mapped_((bytes + 4095) / 4096 * 4096 + 4096) {
  void* at =
      mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED)
    throw Error(ErrorKind::budget, {.what = "the system refuses the memory of this run",
                                    .expected = std::to_string(bytes >> 20) + " MiB",
                                    .hint = "use a smaller micro-batch or a smaller model"});
  data_ = static_cast<std::byte*>(at);
  madvise(data_, mapped_, MADV_HUGEPAGE);  // advice only: may be refused
}

Arena::~Arena() { munmap(data_, mapped_); }

}  // namespace hone
