// Bytes to disk so that a reader sees a whole file (or folder) or none, whatever instant the process dies at.
//
//   AtomicFile file("out/model.safetensors");
//   file.write(header);
//   file.write(body);
//   file.commit();  // on disk and under its name; without it the temporary is removed
//
// What the machine refuses is Error(failed) with the path. Reading and mapping are in file/mapped.hpp.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.hpp"
#include "file/unfinished.hpp"
#include "hone/error.hpp"

namespace hone {

// The words for an errno: "the disk is full", "permission denied", ...
std::string errno_text(int error);
// Error(kind) "PATH: cannot DO: errno_text".
[[noreturn]] void throw_errno(ErrorKind kind, const std::string& path, const char* doing, int error);

std::string without_slash(std::string path);     // at its end
std::string folder_of(const std::string& path);  // "a" of "a/b", "." of "b"

// Makes the folder and those above it; one that is there already is fine.
void make_folders(const std::string& path);
// A folder and all in it, no more under its name at any instant: it is renamed first. One that is not there
// is fine, and so is what cannot be removed.
void remove_folder(const std::string& path);
// The same of what nobody looks for under this name, a file too.
void remove_tree(const std::string& path);
void rename_path(const std::string& from, const std::string& to);
// Where a process died while it replaced the folder, so that there is none under its name: the old one is
// again.
void recover_folder(const std::string& path);
// Flushes a folder's entries to disk; a file's name is safe only after that.
void sync_folder(const std::string& path);

// Makes them too, and at its end removes again those of its making that are still empty.
class MadeFolders {
 public:
  explicit MadeFolders(const std::string& path);
  ~MadeFolders();
  MadeFolders(const MadeFolders&) = delete;
  MadeFolders& operator=(const MadeFolders&) = delete;

 private:
  std::vector<std::string> made_;  // innermost first
  Unfinished unfinished_;
};

// What a file that is written past the page cache gathers: as much at once reaches a disk's speed.
inline constexpr std::size_t direct_write_bytes = std::size_t{1} << 20;

// Writes to PATH.tmp, and gives it its name at commit(). A second writer of the same path is refused; what a
// killed writer left behind is written over by the next one.
class AtomicFile {
 public:
  // With `hurry` its bytes go past the page cache where the file system has that, from a buffer, until
  // somebody sets it. That takes 0.3 s of a CPU for 1.5 GB, where the cache took 0.4 s to 3.9 s (Zen 4, a
  // virtual disk), but no faster than the disk; whoever comes to wait sets it.
  explicit AtomicFile(std::string path, const std::atomic<bool>* hurry = nullptr);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  // Overwrites bytes already written: a header whose sums are known at the end.
  void patch(std::uint64_t offset, std::span<const std::byte> bytes);
  std::uint64_t size() const { return flushed_ + filled_ + buffer_.size(); }
  void commit();

 private:
  void flush();
  void put(const std::byte* data, std::size_t size, std::uint64_t offset);
  void write_direct(std::span<const std::byte> bytes);
  void leave_direct();
  void abandon();

  std::string path_, temporary_;
  Unfinished unfinished_;
  int fd_ = -1;
  std::uint64_t flushed_ = 0;
  std::vector<std::byte> buffer_;
  const std::atomic<bool>* hurry_ = nullptr;  // past the page cache, as long as there is one
  std::unique_ptr<Arena> direct_;             // the buffer for that, aligned to pages
  std::size_t filled_ = 0;                    // of it
};

void write_file(const std::string& path, std::string_view text);  // one AtomicFile, committed
// Error(failed) where no AtomicFile could write there, before the work whose result it is to have. Leaves
// nothing.
void require_writable(const std::string& path);

// Several files that appear together: write AtomicFiles into staging(), then publish(). An older folder of
// that name is swapped out in one step where the file system can (RENAME_EXCHANGE), else it is gone for an
// instant, and recover_folder() brings it back should the process die just then. Only a folder
// of the same kind is replaced, with the file `marker` in it and with no file or folder that does not belong
// to that kind: those would be lost. Error(failed) names the first of them.
class AtomicFolder {
 public:
  using Belongs = std::function<bool(const std::string& folder, const std::string& name)>;
  AtomicFolder(std::string path, const std::string& marker, const Belongs& belongs = is_file_of);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::string& staging() const { return staging_; }
  std::string file(std::string_view name) const { return staging_ + "/" + std::string(name); }
  void publish();

 private:
  static bool is_file_of(const std::string& folder, const std::string& name);  // any file, no folder

  std::string path_, staging_;
  MadeFolders parent_;
  Unfinished unfinished_;
  bool published_ = false;
};

// One process at a time in a folder, which is made where it is missing, and goes again with the lock if
// nothing came to stand in it. The kernel drops the lock with the process, so a killed one leaves none.
class FolderLock {
 public:
  static constexpr const char* file_name = ".hone.lock";

  explicit FolderLock(const std::string& folder);  // Error(failed) at once if another process holds it
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  MadeFolders folder_;
  std::string path_;
  int fd_ = -1;
  Unfinished unfinished_;
};

}  // namespace hone
