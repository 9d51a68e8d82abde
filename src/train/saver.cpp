#include "train/saver.hpp"

#include <system_error>
#include <utility>

namespace hone {

void Saver::start(Job job) {
  finish();
  awaited_ = false;
  copying_ = true;
  job_ = std::move(job);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {  // no more threads: then not beside the training
    run();
  }
}

void Saver::run() {
  try {
    job_({[this] { copied(); }, &awaited_});
  } catch (...) {
    const std::lock_guard guard(lock_);
    failure_ = std::current_exception();
  }
  copied();  // one that failed reads nothing either
  job_ = nullptr;
}

void Saver::copied() {
  {
    const std::lock_guard guard(lock_);
    copying_ = false;
  }
  changed_.notify_all();
}

void Saver::await_copied() {
  if (!copying_) return;
  awaited_ = true;
  std::unique_lock guard(lock_);
  changed_.wait(guard, [this] { return !copying_; });
}

void Saver::wait() {
  if (thread_.joinable()) thread_.join();
}

void Saver::finish() {
  wait();
  throw_failure();
}

void Saver::throw_failure() {
  std::exception_ptr failure;
  {
    const std::lock_guard guard(lock_);
    failure = std::exchange(failure_, nullptr);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace hone
