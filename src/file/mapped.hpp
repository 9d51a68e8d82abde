// Files in: mapped read-only, listed, or read whole. What a user named wrongly is Error(input) with the path.
//
//   const MappedFile book("book.txt");
//   count_letters(book.text());
//
// A mapped file costs the memory of the pages that were touched, which the kernel may take back. Somebody who
// truncates it meanwhile takes the process down (SIGBUS): hone's own writers replace files, and never do.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

class MappedFile {
 public:
  explicit MappedFile(std::string path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const std::string& path() const { return path_; }
  std::size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }
  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }
  // Gives the memory of bytes [first, first + count) back; the next touch reads them again, from the page
  // cache if they are still there.
  void drop(std::size_t first, std::size_t count) const;

 private:
  std::string path_;
  const void* data_ = nullptr;
  std::size_t size_ = 0;
};

// A file read in small pieces from all over: no memory stays behind, where a mapping would keep each page
// touched.
class OffsetFile {
 public:
  explicit OffsetFile(std::string path);
  ~OffsetFile();
  OffsetFile(const OffsetFile&) = delete;
  OffsetFile& operator=(const OffsetFile&) = delete;

  const std::string& path() const { return path_; }
  std::size_t size() const { return size_; }                      // when it was opened
  void read(std::size_t offset, std::span<std::byte> out) const;  // by several threads at once, if need be

 private:
  std::string path_;
  std::size_t size_ = 0;
  int fd_ = -1;
};

std::string read_file(const std::string& path);  // the whole of a small one

bool is_folder(const std::string& path);
bool is_file(const std::string& path);

}  // namespace hone
