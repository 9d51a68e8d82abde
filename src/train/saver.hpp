// A save beside the training: one at a time, on a thread of its own.
//
//   saver.start([&](const Saver::Copying& copying) { write_all(); copying.done(); put_on_disk(); });
//   saver.await_copied();  // before anything that the save reads is written
//   saver.finish();
//
// What ended a save is kept until somebody asks.
#pragma once
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace hone {

class Saver {
 public:
  struct Copying {
    std::function<void()> done;  // by which the job says that it reads nothing more that may change
    const std::atomic<bool>* awaited = nullptr;  // does somebody wait for that?
  };
  using Job = std::function<void(const Copying&)>;

  Saver() = default;
  ~Saver() { wait(); }
  Saver(const Saver&) = delete;
  Saver& operator=(const Saver&) = delete;

  void start(Job job);   // after the one before
  void await_copied();   // at once where no save is under way
  void wait();           // until it is over, however it ended
  void finish();         // the same; throws what ended it
  void throw_failure();  // what ended a save that is over, once; waits for nothing

 private:
  void run();
  void copied();

  Job job_;
  std::thread thread_;
  std::atomic<bool> copying_{false}, awaited_{false};
  std::mutex lock_;  // of failure_, and of what changed_ tells
  std::condition_variable changed_;
  std::exception_ptr failure_;
};

}  // namespace hone
