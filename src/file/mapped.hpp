// Files in: mapped read-only, listed, or read whole. What a user named wrongly is Error(input) with the path.
//
//   const MappedFile book("book.txt");
//   count_letters(book.text());
//
// A mapped file costs the memory of the pages that were touched, which the kernel may take back. Somebody who
// truncates it meanwhile takes the process down (SIGBUS): hone's own writers replace files, and never do.
#pragma once
#include <cstddef>
#include <cstdint>
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

// The same for bytes of some mapped file, but not for pages that they share with others.
void drop_whole_pages(std::span<const std::byte> mapped);

// A file read in small pieces from all over: no memory stays behind, where a mapping would keep each page
// touched.
class OffsetFile {
 public:
  explicit OffsetFile(std::string path);
  ~OffsetFile();
  OffsetFile(const OffsetFile&) = delete;
  OffsetFile& operator=(const OffsetFile&) = delete;

  const std::string& path() const { return path_; }
  std::size_t size() const { return size_; }  // when it was opened
  // By several threads at once, if need be. Error(input) where it was cut short meanwhile.
  void read(std::size_t offset, std::span<std::byte> out) const;
  // Error(input) where somebody wrote to it since it was opened, by its size and time.
  void require_unchanged() const;

 private:
  std::string path_;
  std::size_t size_ = 0;
  std::int64_t written_ns_ = 0;  // when it was last written to
  int fd_ = -1;
};

std::string read_file(const std::string& path);  // the whole of a small one
// As much of its beginning as known_format() looks at.
std::string read_head(const std::string& path);

bool is_folder(const std::string& path);
bool is_file(const std::string& path);

}  // namespace hone
