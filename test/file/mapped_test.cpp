// Readers of files: what is no regular file is refused, and never waited for.
#include "file/mapped.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "file/byte_stream.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

TEST(SpecialFiles, AreRefusedAtOnce) {
  const TemporaryFolder folder;
  const std::string pipe = folder.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, std::string("/dev/null"), folder.path()}) {
    error_of(ErrorKind::input, [&] { MappedFile{path}; });
    error_of(ErrorKind::input, [&] { OffsetFile{path}; });
    error_of(ErrorKind::input, [&] { read_file(path); });
    error_of(ErrorKind::input, [&] { read_head(path); });
    error_of(ErrorKind::input, [&] { ByteStream{path}; });
  }
}

}  // namespace
}  // namespace hone
