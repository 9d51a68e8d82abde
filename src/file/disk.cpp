#include "file/disk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

namespace hone::disk {
namespace {

std::atomic<const Watch*> watching{nullptr};

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

int open(const char* path, int flags, mode_t mode) {
  return refused(Act::open, path) ? -1 : ::open(path, flags, mode);
}

ssize_t pwrite(int fd, const char* path, const void* data, std::size_t bytes, off_t at) {
  Call call{Act::write, path, bytes};
  return refused(call) ? -1 : ::pwrite(fd, data, call.bytes, at);
}

int truncate(int fd, const char* path) { return refused(Act::write, path) ? -1 : ::ftruncate(fd, 0); }
int fsync(int fd, const char* path) { return refused(Act::sync, path) ? -1 : ::fsync(fd); }
int rename(const char* from, const char* to) { return refused(Act::rename, to) ? -1 : ::rename(from, to); }

int exchange(const char* from, const char* to) {
  return refused(Act::exchange, to) ? -1 : ::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE);
}

int mkdir(const char* path) { return refused(Act::make_folder, path) ? -1 : ::mkdir(path, 0777); }
int unlink(const char* path) { return refused(Act::remove, path) ? -1 : ::unlink(path); }
int rmdir(const char* path) { return refused(Act::remove, path) ? -1 : ::rmdir(path); }

}  // namespace hone::disk
