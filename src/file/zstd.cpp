#include "file/zstd.hpp"

#include <new>

#include "hone/error.hpp"

namespace hone {
namespace {

template <class Context>
Context* there(Context* made) {
  if (made == nullptr) throw std::bad_alloc();
  return made;
}

}  // namespace

ZstdCompressor::ZstdCompressor(int level) : context_(there(ZSTD_createCCtx()), ZSTD_freeCCtx) {
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
}

void ZstdCompressor::append(std::span<const std::byte> bytes, std::vector<std::byte>& out) {
  const std::size_t at = out.size();
  out.resize(at + ZSTD_compressBound(bytes.size()));
  const std::size_t size =
      ZSTD_compress2(context_.get(), out.data() + at, out.size() - at, bytes.data(), bytes.size());
  if (ZSTD_isError(size)) throw std::bad_alloc();  // all else is excluded by the bound
  out.resize(at + size);
}

ZstdDecompressor::ZstdDecompressor() : context_(there(ZSTD_createDCtx()), ZSTD_freeDCtx) {}

void ZstdDecompressor::read(std::span<const std::byte> frames, std::span<std::byte> out,
                            const std::string& where) {
  const std::size_t size =
      ZSTD_decompressDCtx(context_.get(), out.data(), out.size(), frames.data(), frames.size());
  if (ZSTD_isError(size))
    throw Error(ErrorKind::input, {.what = "the Zstandard frame is damaged or cut short",
                                   .where = where,
                                   .found = ZSTD_getErrorName(size)});
  if (size != out.size())
    throw Error(ErrorKind::input, {.what = "the Zstandard frame holds less than it should",
                                   .where = where,
                                   .expected = std::to_string(out.size()) + " bytes",
                                   .found = std::to_string(size)});
}

}  // namespace hone
