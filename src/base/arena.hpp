// A block of memory of its own: a job's, or a held weight's. Huge pages where the system gives them;
// untouched pages cost nothing.
#pragma once
#include <cstddef>

namespace hone {

class Arena {
 public:
  explicit Arena(std::size_t bytes);  // zeroed; throws Error(budget) when the system has no such room
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return bytes_; }

 private:
  std::size_t bytes_, mapped_;
  std::byte* data_;
};

}  // namespace hone
