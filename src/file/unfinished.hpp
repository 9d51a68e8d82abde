// What a writer would leave behind if its process ended now, and how that is undone: see hone/unfinished.hpp.
//
//   Unfinished temporary([path] { disk::unlink(path.c_str()); });  // undone at its end by who has it
#pragma once
#include <cstdint>
#include <functional>
#include <utility>

#include "hone/unfinished.hpp"

namespace hone {

class Unfinished {
 public:
  Unfinished() = default;
  // `undo` runs in remove_unfinished() alone, on its thread, the latest first; it holds no reference to its
  // writer, and changes the disk by file/disk.hpp.
  explicit Unfinished(std::function<void()> undo);
  ~Unfinished() { forget(); }
  Unfinished(Unfinished&& other) noexcept : number_(std::exchange(other.number_, 0)) {}
  Unfinished& operator=(Unfinished&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }

  void forget();  // it is finished, or undone

 private:
  std::uint64_t number_ = 0;
};

}  // namespace hone
