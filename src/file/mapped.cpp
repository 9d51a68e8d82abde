#include "file/mapped.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "file/atomic.hpp"

namespace hone {
namespace {

struct Opened {
  int fd;
  std::size_t size;
  std::int64_t written_ns;
};

std::int64_t written_ns(const struct stat& info) {
  return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

Opened open_regular(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe would wait for its writer
  if (fd < 0) throw_errno(ErrorKind::input, path, "read", errno);
  struct stat info {};
  int error = ::fstat(fd, &info) == 0 ? 0 : errno;
  if (error == 0 && S_ISDIR(info.st_mode)) error = EISDIR;
  if (error == 0 && S_ISREG(info.st_mode))
    return {fd, static_cast<std::size_t>(info.st_size), written_ns(info)};
  ::close(fd);
  if (error != 0) throw_errno(ErrorKind::input, path, "read", error);
  throw Error(ErrorKind::input, {.what = "it is not a regular file", .where = path});
}

}  // namespace

MappedFile::MappedFile(std::string path) : path_(std::move(path)) {
  const auto [fd, size, written] = open_regular(path_);
  size_ = size;
  int error = 0;
  if (size_ > 0) {
    void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
      error = errno;
    else
      data_ = data;
  }
  ::close(fd);
  if (error == ENOMEM)
    throw Error(ErrorKind::budget, {.what = "there is no memory left to map the file", .where = path_});
  if (error != 0) throw_errno(ErrorKind::input, path_, "read", error);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<void*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void drop_whole_pages(std::span<const std::byte> mapped) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE)),
             begin = reinterpret_cast<std::uintptr_t>(mapped.data()), end = begin + mapped.size();
  const std::uintptr_t from = (begin + page - 1) / page * page, to = end / page * page;
  if (from < to) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);  // NOLINT: an address
}

void MappedFile::drop(std::size_t first, std::size_t count) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t from = first / page * page, to = std::min(first + count, size_);
  if (from < to)
    ::madvise(const_cast<char*>(static_cast<const char*>(data_)) + from, to - from, MADV_DONTNEED);
}

OffsetFile::OffsetFile(std::string path) : path_(std::move(path)) {
  const auto [fd, size, written] = open_regular(path_);
  fd_ = fd;
  size_ = size;
  written_ns_ = written;
}

OffsetFile::~OffsetFile() { ::close(fd_); }

void OffsetFile::read(std::size_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno(ErrorKind::input, path_, "read", errno);  // EIO: a damaged disk
    if (n == 0)
      throw Error(ErrorKind::input, {.what = "the file was cut short while in use", .where = path_});
    offset += static_cast<std::size_t>(n);
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

void OffsetFile::require_unchanged() const {
  struct stat info {};
  if (::fstat(fd_, &info) != 0) throw_errno(ErrorKind::input, path_, "read", errno);
  if (static_cast<std::size_t>(info.st_size) != size_ || written_ns(info) != written_ns_)
    throw Error(ErrorKind::input, {.what = "the file was changed while in use", .where = path_});
}

namespace {

std::string read_first(const std::string& path, std::size_t most) {
  const OffsetFile file(path);
  std::string text(std::min(most, file.size()), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

std::string read_file(const std::string& path) { return read_first(path, static_cast<std::size_t>(-1)); }
std::string read_head(const std::string& path) { return read_first(path, 4096); }

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

}  // namespace hone
