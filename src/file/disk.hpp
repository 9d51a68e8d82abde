// Every call by which hone's writers change what is on disk, as the system has it: what it returns, and
// errno. One place, so that a test can stand in the way of each: see watch().
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <functional>

namespace hone::disk {

enum class Act { open, write, sync, rename, exchange, make_folder, remove };

struct Call {
  Act act;
  const char* path;       // of a rename the new name
  std::size_t bytes = 0;  // of a write; a watch may lower it
};

// Asked before each call, by the thread that makes it: 0 lets it pass, an errno fails it. None: null. For
// tests; who sets one sees to it that nobody writes meanwhile.
using Watch = std::function<int(Call&)>;
void watch(const Watch* watch);

// From here on each call by another thread waits for ever; those under way have ended when this returns.
void hold_others();

int open(const char* path, int flags, mode_t mode);  // to write
ssize_t pwrite(int fd, const char* path, const void* data, std::size_t bytes, off_t at);
int truncate(int fd, const char* path);  // to nothing; a write
int fsync(int fd, const char* path);
int rename(const char* from, const char* to);
int exchange(const char* from, const char* to);  // swaps the two, where the file system can
int mkdir(const char* path);
int unlink(const char* path);
int rmdir(const char* path);

}  // namespace hone::disk
