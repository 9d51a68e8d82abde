#include "file/disk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <shared_mutex>

namespace hone::disk {
namespace {

std::atomic<const Watch*> watching{nullptr};

std::shared_mutex changing;
thread_local bool holds_others = false;

// The length of a call.
class Passage {
 public:
  Passage() {
    if (!holds_others) changing.lock_shared();
  }
  ~Passage() {
    if (!holds_others) changing.unlock_shared();
  }
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;
};

bool refused(Call& call) {
  const Watch* const watch = watching.load(std::memory_order_acquire);
  if (watch == nullptr) return false;
  const int error = (*watch)(call);
  if (error != 0) errno = error;
  return error != 0;
}

bool refused(Act act, const char* path) {
  Call call{act, path};
  return refused(call);
}

}  // namespace

void watch(const Watch* watch) { watching.store(watch, std::memory_order_release); }

void hold_others() {
  if (holds_others) return;
  changing.lock();  // and never unlocked
  holds_others = true;
}

int open(const char* path, int flags, mode_t mode) {
  const Passage passage;
  return refused(Act::open, path) ? -1 : ::open(path, flags, mode);
}

ssize_t pwrite(int fd, const char* path, const void* data, std::size_t bytes, off_t at) {
  const Passage passage;
  Call call{Act::write, path, bytes};
  return refused(call) ? -1 : ::pwrite(fd, data, call.bytes, at);
}

int truncate(int fd, const char* path) {
  const Passage passage;
  return refused(Act::write, path) ? -1 : ::ftruncate(fd, 0);
}

int fsync(int fd, const char* path) {
  const Passage passage;
  return refused(Act::sync, path) ? -1 : ::fsync(fd);
}

int rename(const char* from, const char* to) {
  const Passage passage;
  return refused(Act::rename, to) ? -1 : ::rename(from, to);
}

int exchange(const char* from, const char* to) {
  const Passage passage;
  return refused(Act::exchange, to) ? -1 : ::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE);
}

int mkdir(const char* path) {
  const Passage passage;
  return refused(Act::make_folder, path) ? -1 : ::mkdir(path, 0777);
}

int unlink(const char* path) {
  const Passage passage;
  return refused(Act::remove, path) ? -1 : ::unlink(path);
}

int rmdir(const char* path) {
  const Passage passage;
  return refused(Act::remove, path) ? -1 : ::rmdir(path);
}

}  // namespace hone::disk
