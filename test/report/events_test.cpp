#include <gtest/gtest.h>
#include <sys/resource.h>

#include <bit>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "hone/report.hpp"
#include "report/crc32c.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

// ---- An independent reader of TFRecords and of the protobuf wire format.

std::uint32_t bitwise_crc(std::string_view s) {  // by long division, no table
  std::uint32_t c = ~0u;
  for (const char b : s) {
    c ^= static_cast<unsigned char>(b);
    for (int i = 0; i < 8; ++i) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
  }
  return ~c;
}

std::uint32_t mask(std::uint32_t c) { return ((c >> 15) | (c << 17)) + 0xa282ead8u; }

template <class T>
T read(std::string_view s, std::size_t at) {
  T v;
  std::memcpy(&v, s.substr(at, sizeof v).data(), sizeof v);
  return v;
}

std::vector<std::string> records(std::string_view file) {
  std::vector<std::string> out;
  while (!file.empty()) {
    if (file.size() < 16) throw std::runtime_error("torn record");
    const auto n = read<std::uint64_t>(file, 0);
    EXPECT_EQ(read<std::uint32_t>(file, 8), mask(bitwise_crc(file.substr(0, 8))));
    out.emplace_back(file.substr(12, n));
    EXPECT_EQ(read<std::uint32_t>(file, 12 + n), mask(bitwise_crc(out.back())));
    file.remove_prefix(16 + n);
  }
  return out;
}

struct Field {
  std::uint64_t number = 0;  // of a varint or a fixed
  std::string bytes;
};

std::uint64_t varint(std::string_view& s) {
  std::uint64_t v = 0;
  for (int shift = 0;; shift += 7) {
    const auto b = static_cast<unsigned char>(s.at(0));
    s.remove_prefix(1);
    v |= static_cast<std::uint64_t>(b & 0x7f) << shift;
    if (b < 0x80) return v;
  }
}

std::map<int, Field> message(std::string_view s) {
  std::map<int, Field> fields;
  while (!s.empty()) {
    const auto key = varint(s);
    Field f;
    std::size_t n = 0;
    switch (key & 7) {
      case 0:
        f.number = varint(s);
        break;
      case 1:
        f.number = read<std::uint64_t>(s, 0), n = 8;
        break;
      case 2:
        n = varint(s), f.bytes = std::string(s.substr(0, n));
        break;
      case 5:
        f.number = read<std::uint32_t>(s, 0), n = 4;
        break;
      default:
        throw std::runtime_error("wire type");
    }
    s.remove_prefix(n);
    fields[static_cast<int>(key >> 3)] = f;
  }
  return fields;
}

std::string contents(const std::string& path) {
  std::ostringstream s;
  s << std::ifstream(path, std::ios::binary).rdbuf();
  return s.str();
}

TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);    // RFC 3720 B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);  // RFC 3720 B.4
  EXPECT_EQ(masked_crc32c("123456789"), mask(0xe3069283u));
}

TEST(EventWriter, WritesRecordsThatADecoderReads) {
  const TemporaryFolder temporary;
  const std::string& folder = temporary.path();
  std::string path;
  {
    EventWriter w(folder, 1700000000.25);
    w.scalar("train/loss", 1, 2.5, 1700000001.5);
    w.scalar("train/loss", 1234567890123, std::nan(""), 1700000002);
    path = w.path();
    EXPECT_EQ(path, folder + "/events.out.tfevents.1700000000.hone");
  }
  const auto all = records(contents(path));
  ASSERT_EQ(all.size(), 3u);

  auto first = message(all[0]);
  EXPECT_EQ(first[3].bytes, "brain.Event:2");
  EXPECT_EQ(std::bit_cast<double>(first[1].number), 1700000000.25);

  auto event = message(all[1]);
  EXPECT_EQ(std::bit_cast<double>(event[1].number), 1700000001.5);
  EXPECT_EQ(event[2].number, 1u);
  auto summary = message(event[5].bytes);
  auto value = message(summary[1].bytes);
  EXPECT_EQ(value[1].bytes, "train/loss");
  EXPECT_EQ(std::bit_cast<float>(static_cast<std::uint32_t>(value[2].number)), 2.5f);

  auto late = message(all[2]);
  EXPECT_EQ(late[2].number, 1234567890123u);
}

TEST(EventWriter, FlushedRecordsAreInTheFile) {
  const TemporaryFolder folder;
  EventWriter w(folder.path(), 1700000000);
  EXPECT_EQ(records(contents(w.path())).size(), 1u);
  w.scalar("a", 1, 1, 1700000000);
  w.flush();
  EXPECT_EQ(records(contents(w.path())).size(), 2u);
}

TEST(EventWriter, NeverTouchesAnEarlierFile) {
  const TemporaryFolder temporary;
  const std::string& folder = temporary.path();
  EventWriter first(folder, 1700000000), second(folder, 1700000000);
  EXPECT_EQ(second.path(), first.path() + ".1");
}

TEST(EventWriter, ResumedRunMarksWhereItGoesOn) {
  const TemporaryFolder folder;
  EventWriter w(folder.path(), 1700000000, 60);
  const auto all = records(contents(w.path()));
  ASSERT_EQ(all.size(), 2u);
  auto event = message(all[1]);
  EXPECT_EQ(event[2].number, 61u);
  EXPECT_EQ(message(event[7].bytes)[1].number, 1u);  // SessionLog.START
}

TEST(EventWriter, UnwritableFolderIsAnError) {
  EXPECT_THROW(EventWriter("/nonexistent/folder", 0), Error);
  EXPECT_THROW(EventWriter("/dev/null", 0), Error);
  const TemporaryFolder folder;  // a file may be made, and nothing written into it, as on a full disk
  struct rlimit was {
  }, none{};
  getrlimit(RLIMIT_FSIZE, &was);
  none.rlim_max = was.rlim_max;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &none);
  std::string message;
  try {
    EventWriter(folder.path(), 0);
  } catch (const Error& e) {
    message = e.what();
  }
  setrlimit(RLIMIT_FSIZE, &was);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(message.find("cannot write"), std::string::npos) << message;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "an empty event file was left";
}

}  // namespace
}  // namespace hone
