// The length of a call on an object that serves one thread at a time: a second thread is told so at once, an
// object that was moved from says so, and the call runs in hone's floating-point mode.
#pragma once
#include <atomic>
#include <string>

#include "base/float_mode.hpp"
#include "hone/error.hpp"

namespace hone {

// Impl has `busy`, an atomic flag, and the words for messages: `type` ("Trainer") and `noun` ("trainer").
template <class Impl>
class InUse {
 public:
  explicit InUse(Impl* impl) : busy_(there(impl).busy) {
    if (busy_.exchange(true, std::memory_order_acquire))
      throw Error(
          ErrorKind::usage,
          {.what = std::string("two threads use one ") + Impl::noun + " at the same time",
           .where = Impl::type,
           .hint = std::string("give each thread a ") + Impl::noun + " of its own, or let them take turns"});
  }
  ~InUse() { busy_.store(false, std::memory_order_release); }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

  static Impl& there(Impl* impl) {
    if (!impl)
      throw Error(ErrorKind::usage, {.what = std::string("this ") + Impl::noun + " was moved from",
                                     .where = Impl::type,
                                     .hint = "use the one it was moved to"});
    return *impl;
  }

 private:
  std::atomic<bool>& busy_;
  FloatModeGuard float_mode_;
};

}  // namespace hone
