#include "file/unfinished.hpp"

#include <functional>
#include <map>
#include <mutex>

#include "file/disk.hpp"

namespace hone {
namespace {

struct UnderWay {
  std::mutex lock;
  std::uint64_t last = 0;
  std::map<std::uint64_t, std::function<void()>, std::greater<>> undo;  // by number, the newest first
};

UnderWay& under_way() {
  static auto* all = new UnderWay;  // for writers on threads that outlive the program's end
  return *all;
}

}  // namespace

Unfinished::Unfinished(std::function<void()> undo) {
  UnderWay& all = under_way();
  const std::lock_guard guard(all.lock);
  all.undo[number_ = ++all.last] = std::move(undo);
}

void Unfinished::forget() {
  if (number_ == 0) return;
  UnderWay& all = under_way();
  const std::lock_guard guard(all.lock);
  all.undo.erase(std::exchange(number_, 0));
}

void remove_unfinished() {
  disk::hold_others();
  UnderWay& all = under_way();
  all.lock.lock();  // for good: nobody finishes any more
  for (const auto& [number, undo] : all.undo) undo();
}

}  // namespace hone
