#include "file/byte_stream.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <new>
#include <utility>

#include "file/atomic.hpp"
#include "hone/error.hpp"

namespace hone {
namespace {

using namespace std::string_view_literals;

[[noreturn]] void refuse(const std::string& path, const char* what, const char* found = "") {
  throw Error(ErrorKind::input,
              {.what = what, .where = path, .found = found, .hint = "pack or fetch it again"});
}

}  // namespace

Packing packing_of(std::string_view head) {
  if (head.starts_with("\x1f\x8b"sv)) return Packing::gzip;
  return head.starts_with("\x28\xb5\x2f\xfd"sv) ? Packing::zstd : Packing::none;
}

// Both libraries' state; one of them is set up.
struct ByteStream::Unpacker {
  z_stream zlib{};
  ZSTD_DStream* zstd = nullptr;
  bool within = false;  // a gzip member or a frame that has not ended

  explicit Unpacker(Packing packing) {
    constexpr int gzip_windows = 15 + 16;  // the largest window, in gzip's wrapping
    if (packing == Packing::gzip && inflateInit2(&zlib, gzip_windows) != Z_OK) throw std::bad_alloc();
    if (packing == Packing::zstd && (zstd = ZSTD_createDStream()) == nullptr) throw std::bad_alloc();
  }
  ~Unpacker() {
    inflateEnd(&zlib);
    ZSTD_freeDStream(zstd);
  }
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  // Some of `in`, from whose front it goes, to `out`; so many bytes.
  std::size_t unpack(std::string_view& in, std::vector<char>& out, const std::string& path) {
    return zstd ? unpack_zstd(in, out, path) : unpack_gzip(in, out, path);
  }

 private:
  std::size_t unpack_zstd(std::string_view& in, std::vector<char>& out, const std::string& path) {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const std::size_t wanted = ZSTD_decompressStream(zstd, &to, &from);
    if (ZSTD_isError(wanted)) refuse(path, "the Zstandard data are damaged", ZSTD_getErrorName(wanted));
    in.remove_prefix(from.pos);
    within = wanted != 0;
    return to.pos;
  }

  std::size_t unpack_gzip(std::string_view& in, std::vector<char>& out, const std::string& path) {
    zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));  // not written to
    zlib.avail_in = static_cast<uInt>(in.size());
    zlib.next_out = reinterpret_cast<Bytef*>(out.data());
    zlib.avail_out = static_cast<uInt>(out.size());
    const int state = inflate(&zlib, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
      refuse(path, "the gzip data are damaged", zlib.msg ? zlib.msg : "");
    in.remove_prefix(in.size() - zlib.avail_in);
    within = state != Z_STREAM_END;
    if (!within) inflateReset(&zlib);  // another member may follow, as `cat a.gz b.gz` makes them
    return out.size() - zlib.avail_out;
  }
};

ByteStream::ByteStream(std::string path) : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe would wait for its writer
  if (fd_ < 0) throw_errno(ErrorKind::input, path_, "read", errno);
  struct stat info {};
  if (::fstat(fd_, &info) == 0 && !S_ISREG(info.st_mode)) {
    ::close(fd_);
    if (S_ISDIR(info.st_mode)) throw_errno(ErrorKind::input, path_, "read", EISDIR);
    throw Error(ErrorKind::input, {.what = "it is not a regular file", .where = path_});
  }
  try {
    packed_.resize(piece_bytes);
    left_ = read();
    packing_ = packing_of(left_);
    if (packing_ == Packing::none) return;
    piece_.resize(piece_bytes);
    unpacker_ = std::make_unique<Unpacker>(packing_);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

ByteStream::~ByteStream() { ::close(fd_); }

std::size_t ByteStream::memory_bytes() const {
  const std::size_t window = unpacker_ && unpacker_->zstd ? ZSTD_sizeof_DStream(unpacker_->zstd) : 0;
  return packed_.size() + piece_.size() + window;
}

std::string_view ByteStream::read() {
  for (;;) {
    const ssize_t n = ::read(fd_, packed_.data(), packed_.size());
    if (n >= 0) return {packed_.data(), static_cast<std::size_t>(n)};
    if (errno != EINTR) throw_errno(ErrorKind::failed, path_, "read", errno);
  }
}

std::string_view ByteStream::next() {
  if (!unpacker_) {
    const std::string_view piece = left_.empty() ? read() : left_;
    left_ = {};
    return piece;
  }
  for (;;) {
    if (left_.empty()) left_ = read();
    const bool ended = left_.empty();
    if (ended && !unpacker_->within) return {};
    if (const std::size_t n = unpacker_->unpack(left_, piece_, path_); n > 0) return {piece_.data(), n};
    if (ended && unpacker_->within)
      refuse(path_, packing_ == Packing::gzip
                        ? "the gzip data are cut short"
                        : "the Zstandard data are cut short: their last frame does not end");
  }
}

}  // namespace hone
