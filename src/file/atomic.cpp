#include "file/atomic.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "file/disk.hpp"

namespace hone {
namespace {

constexpr std::size_t buffer_bytes = 1
                                     << 20;  // small writes are gathered; one of this size goes straight out

constexpr std::size_t page_bytes = 4096;  // what a direct write is a multiple of

// Opens PATH for writing and takes an exclusive lock on it; -1 if another process holds that. The loop is for
// a file that its owner renamed or removed between our open and our lock.
int open_locked(const std::string& path) {
  for (;;) {
    const int fd = disk::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) throw_errno(ErrorKind::failed, path, "write", errno);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      if (error == EWOULDBLOCK) {
        ::close(fd);
        return -1;
      }
      ::close(fd);
      throw_errno(ErrorKind::failed, path, "lock", error);
    }
    struct stat ours {
    }, named{};
    if (::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &named) == 0 && ours.st_ino == named.st_ino)
      return fd;
    ::close(fd);
  }
}

constexpr const char* put_aside = ".replaced";

// Puts the folder `from` under the name `to`, whether or not there is one already, and returns where that one
// is now.
std::string replace_folder(const std::string& from, const std::string& to) {
  if (disk::rename(from.c_str(), to.c_str()) == 0) return {};  // absent, or an empty folder
  if (errno != ENOTEMPTY && errno != EEXIST) throw_errno(ErrorKind::failed, to, "write", errno);
  if (disk::exchange(from.c_str(), to.c_str()) == 0) return from;
  std::string old = to + put_aside;
  remove_tree(old);
  rename_path(to, old);
  if (disk::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    disk::rename(old.c_str(), to.c_str());
    throw_errno(ErrorKind::failed, to, "write", error);
  }
  return old;
}

}  // namespace

std::string folder_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string errno_text(int error) {
  switch (error) {
    case ENOSPC:
      return "the disk is full";
    case EDQUOT:
      return "the disk quota is used up";
    case EACCES:
    case EPERM:
      return "permission denied";
    case EROFS:
      return "the file system is read-only";
    case ENOENT:
      return "no such file or folder";
    case ENOTDIR:
      return "a part of the path is not a folder";
    case EISDIR:
      return "it is a folder";
    case EFBIG:
      return "the file grows beyond the size limit";
    case EMFILE:
    case ENFILE:
      return "too many open files";
    default:
      return std::strerror(error);
  }
}

void throw_errno(ErrorKind kind, const std::string& path, const char* doing, int error) {
  throw Error(kind, {.what = std::string("cannot ") + doing + ": " + errno_text(error), .where = path});
}

void make_folders(const std::string& path) {
  const std::string folder = without_slash(path);
  struct stat info {};
  if (::stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return;
  if (const std::string above = folder_of(folder); above != folder && above != ".") make_folders(above);
  if (disk::mkdir(folder.c_str()) != 0 && errno != EEXIST)
    throw_errno(ErrorKind::failed, path, "make the folder", errno);
  if (::stat(folder.c_str(), &info) == 0 && !S_ISDIR(info.st_mode))
    throw_errno(ErrorKind::failed, path, "make the folder", ENOTDIR);
}

void remove_tree(const std::string& path) {
  std::error_code ignored;
  const auto is = std::filesystem::symlink_status(path, ignored);
  if (is.type() == std::filesystem::file_type::directory) {
    for (const auto& entry : std::filesystem::directory_iterator(path, ignored))
      remove_tree(entry.path().string());
    disk::rmdir(path.c_str());
  } else if (is.type() != std::filesystem::file_type::not_found) {
    disk::unlink(path.c_str());
  }
}

void remove_folder(const std::string& path) {
  const std::string going = path + ".removed";
  remove_tree(going);
  if (disk::rename(path.c_str(), going.c_str()) == 0) remove_tree(going);
}

void rename_path(const std::string& from, const std::string& to) {
  if (disk::rename(from.c_str(), to.c_str()) != 0) throw_errno(ErrorKind::failed, from, "rename", errno);
}

void recover_folder(const std::string& path) {
  const std::string folder = without_slash(path);
  std::error_code none;
  if (!std::filesystem::exists(folder, none) && std::filesystem::is_directory(folder + put_aside, none))
    rename_path(folder + put_aside, folder);
}

namespace {

void remove_empty(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) disk::rmdir(folder.c_str());  // one that holds a file stays
}

}  // namespace

MadeFolders::MadeFolders(const std::string& path) {
  std::error_code unreadable;  // the making says it
  for (std::filesystem::path folder = without_slash(path);
       !folder.empty() && !std::filesystem::exists(folder, unreadable); folder = folder.parent_path())
    made_.push_back(folder.string());
  if (!made_.empty()) unfinished_ = Unfinished([made = made_] { remove_empty(made); });
  try {
    make_folders(path);
  } catch (...) {
    remove_empty(made_);
    throw;
  }
}

MadeFolders::~MadeFolders() { remove_empty(made_); }

void sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw_errno(ErrorKind::failed, path, "open", errno);
  const int error = disk::fsync(fd, path.c_str()) == 0 ? 0 : errno;
  ::close(fd);
  if (error != 0 && error != EINVAL)  // a file system that has no such thing
    throw_errno(ErrorKind::failed, path, "flush to disk", error);
}

AtomicFile::AtomicFile(std::string path, const std::atomic<bool>* hurry)
    : path_(std::move(path)), temporary_(path_ + ".tmp") {
  fd_ = open_locked(temporary_);
  if (fd_ < 0)
    throw Error(ErrorKind::failed, {.what = "another process is writing this file", .where = path_});
  unfinished_ = Unfinished([temporary = temporary_] { disk::unlink(temporary.c_str()); });
  if (disk::truncate(fd_, temporary_.c_str()) != 0) {
    const int error = errno;
    abandon();
    throw_errno(ErrorKind::failed, path_, "write", error);
  }
  if (hurry == nullptr || ::fcntl(fd_, F_SETFL, O_DIRECT) != 0) return;
  hurry_ = hurry;
  direct_ = std::make_unique<Arena>(direct_write_bytes);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      unfinished_(std::move(other.unfinished_)),
      fd_(std::exchange(other.fd_, -1)),
      flushed_(other.flushed_),
      buffer_(std::move(other.buffer_)),
      hurry_(std::exchange(other.hurry_, nullptr)),
      direct_(std::move(other.direct_)),
      filled_(std::exchange(other.filled_, 0)) {}

AtomicFile::~AtomicFile() { abandon(); }

void AtomicFile::abandon() {
  if (fd_ < 0) return;
  disk::unlink(temporary_.c_str());  // before the lock goes with the descriptor
  unfinished_.forget();
  ::close(fd_);
  fd_ = -1;
}

void AtomicFile::put(const std::byte* data, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    const ssize_t n = disk::pwrite(fd_, temporary_.c_str(), data, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (hurry_ != nullptr && (n >= 0 ? static_cast<std::size_t>(n) < size : errno == EINVAL)) {
      leave_direct();  // the rest is not aligned, or the file system takes none such after all
      if (n < 0) continue;
    }
    if (n < 0) {
      const int error = errno;
      abandon();
      throw_errno(ErrorKind::failed, path_, "write", error);
    }
    data += n;
    size -= static_cast<std::size_t>(n);
    offset += static_cast<std::uint64_t>(n);
  }
}

void AtomicFile::leave_direct() {
  ::fcntl(fd_, F_SETFL, 0);
  hurry_ = nullptr;
}

void AtomicFile::write_direct(std::span<const std::byte> bytes) {
  while (!bytes.empty() && direct_) {
    const std::size_t count = std::min(bytes.size(), direct_->size() - filled_);
    std::copy_n(bytes.begin(), count, direct_->data() + filled_);
    filled_ += count;
    bytes = bytes.subspan(count);
    if (filled_ == direct_->size()) flush();
  }
  if (!bytes.empty()) write(bytes);
}

void AtomicFile::flush() {
  if (direct_) {
    if (hurry_ != nullptr && (*hurry_ || filled_ % page_bytes != 0)) leave_direct();
    put(direct_->data(), filled_, flushed_);
    flushed_ += std::exchange(filled_, 0);
    if (hurry_ == nullptr) direct_.reset();
  }
  put(buffer_.data(), buffer_.size(), flushed_);
  flushed_ += buffer_.size();
  buffer_.clear();
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (direct_) return write_direct(bytes);
  if (bytes.size() >= buffer_bytes) {
    flush();
    put(bytes.data(), bytes.size(), flushed_);
    flushed_ += bytes.size();
    return;
  }
  if (buffer_.capacity() == 0) buffer_.reserve(2 * buffer_bytes);
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= buffer_bytes) flush();
}

void AtomicFile::patch(std::uint64_t offset, std::span<const std::byte> bytes) {
  flush();
  put(bytes.data(), bytes.size(), offset);
}

void AtomicFile::commit() {
  flush();
  if (disk::fsync(fd_, temporary_.c_str()) != 0 || disk::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    abandon();
    throw_errno(ErrorKind::failed, path_, "write", error);
  }
  unfinished_.forget();
  ::close(std::exchange(fd_, -1));
  sync_folder(folder_of(path_));
}

void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void require_writable(const std::string& path) { const AtomicFile trial(path); }

namespace {

// What of a folder would be lost were it replaced: the name of an entry that does not belong; none: nothing.
std::string stranger_in(const std::string& folder, const std::string& marker,
                        const AtomicFolder::Belongs& belongs) {
  std::error_code none;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);  // the same message each time
  const bool marked = std::ranges::binary_search(names, marker);
  const auto stranger =
      std::ranges::find_if(names, [&](const std::string& name) { return !marked || !belongs(folder, name); });
  return stranger == names.end() ? std::string() : *stranger;
}

}  // namespace

bool AtomicFolder::is_file_of(const std::string& folder, const std::string& name) {
  std::error_code none;
  return !std::filesystem::is_directory(folder + "/" + name, none);
}

AtomicFolder::AtomicFolder(std::string path, const std::string& marker, const Belongs& belongs)
    : path_(without_slash(std::move(path))), staging_(path_ + ".tmp"), parent_(folder_of(path_)) {
  recover_folder(path_);
  remove_tree(path_ + put_aside);  // of one that was replaced, and could not be removed then
  if (const std::string lost = stranger_in(path_, marker, belongs); !lost.empty())
    throw Error(ErrorKind::failed, {.what = "the folder holds other files, and would be replaced",
                                    .where = path_,
                                    .expected = "no folder, an empty one, or an older one of this kind",
                                    .found = lost,
                                    .hint = "choose a folder of its own"});
  remove_tree(staging_);  // of a process that died here
  unfinished_ = Unfinished([staging = staging_] { remove_tree(staging); });
  make_folders(staging_);
}

AtomicFolder::~AtomicFolder() {
  if (!published_) remove_tree(staging_);
}

void AtomicFolder::publish() {
  const std::string old = replace_folder(staging_, path_);
  published_ = true;
  unfinished_.forget();
  sync_folder(folder_of(path_));
  if (!old.empty()) remove_tree(old);  // not before the disk has the new one under its name
}

FolderLock::FolderLock(const std::string& folder)
    : folder_(folder), path_(without_slash(folder) + "/" + file_name) {
  fd_ = open_locked(path_);
  if (fd_ < 0)
    throw Error(ErrorKind::failed, {.what = "another process is working in this folder",
                                    .where = without_slash(folder),
                                    .hint = "wait for it, stop it, or choose another folder"});
  unfinished_ = Unfinished([path = path_] { disk::unlink(path.c_str()); });
}

FolderLock::~FolderLock() {
  disk::unlink(path_.c_str());
  ::close(fd_);
}

}  // namespace hone
