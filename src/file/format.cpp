#include "file/format.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace hone {
namespace {

struct Format {
  std::string_view magic, name;
};

using namespace std::string_view_literals;
constexpr std::array formats{Format{"\x1f\x8b", "a gzip archive"},
                             Format{"PK\x03\x04", "a ZIP archive"},
                             Format{"PK\x05\x06", "a ZIP archive"},
                             Format{"\x28\xb5\x2f\xfd", "a Zstandard archive"},
                             Format{"\xfd\x37zXZ\0"sv, "an xz archive"},
                             Format{"BZh", "a bzip2 archive"},
                             Format{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
                             Format{"Rar!\x1a\x07", "a RAR archive"},
                             Format{"\x04\x22\x4d\x18", "an LZ4 archive"},
                             Format{"%PDF-", "a PDF document"},
                             Format{"\x89PNG\r\n", "a PNG image"},
                             Format{"\xff\xd8\xff", "a JPEG image"},
                             Format{"GIF8", "a GIF image"},
                             Format{"PAR1", "a Parquet table"},
                             Format{"ARROW1", "an Arrow table"},
                             Format{"GGUF", gguf_format},
                             Format{"\x80\x02", "a pickle"},
                             Format{"\x80\x03", "a pickle"},
                             Format{"\x80\x04", "a pickle"},
                             Format{"\x80\x05", "a pickle"},
                             Format{"\x89HDF\r\n", "an HDF5 file"},
                             Format{"\x93NUMPY", "a NumPy array"},
                             Format{"HONETOK\n", "a token shard; name its folder"},
                             Format{"SQLite format 3\0"sv, "an SQLite database"},
                             Format{"\x7f"
                                    "ELF",
                                    "a program"},
                             Format{"\xff\xfe", "UTF-16 text; save it as UTF-8"},
                             Format{"\xfe\xff", "UTF-16 text; save it as UTF-8"}};

// Eight bytes of a length below 2^32, then the header's brace.
bool is_safetensors(std::string_view head) {
  return head.size() > 8 && head[8] == '{' && head.substr(4, 4) == "\0\0\0\0"sv;
}

bool is_web_page(std::string_view head) {
  head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n"), head.size()));
  const auto begins = [&](std::string_view word) {
    return head.size() >= word.size() &&
           std::equal(word.begin(), word.end(), head.begin(),
                      [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
  };
  return begins("<!doctype html") || begins("<html");
}

}  // namespace

std::string_view packed_format(std::string_view head) {
  if (is_safetensors(head)) return safetensors_name;  // whose length may begin as another one's magic
  for (const Format& f : formats)
    if (head.starts_with(f.magic)) return f.name;
  return "";
}

KnownFormat known_format(std::string_view head) {
  if (head.starts_with("version https://git-lfs"))
    return {"a pointer of Git LFS", "git lfs pull fetches the file itself"};
  if (is_web_page(head)) return {"a web page", "download the file itself, not the page that shows it"};
  return {packed_format(head), ""};
}

}  // namespace hone
