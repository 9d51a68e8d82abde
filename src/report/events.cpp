// TensorBoard's event file: TFRecords that each hold one protobuf message `Event`, encoded by hand because
// four fields do not justify libprotobuf. A record is
//   u64 length | u32 masked crc of length | data | u32 masked crc of data      (little-endian)
// and the fields used here are (tensorflow/core/util/event.proto, framework/summary.proto):
//   Event: 1 wall_time double, 2 step int64, 3 file_version string, 5 summary, 7 session_log
//   Summary: 1 repeated value;  Value: 1 tag string, 2 simple_value float;  SessionLog: 1 status, START = 1
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cmath>

#include "file/atomic.hpp"
#include "hone/report.hpp"
#include "report/crc32c.hpp"

namespace hone {
namespace {

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

template <class T>
void put_little_endian(std::string& out, T bits) {
  for (unsigned i = 0; i < sizeof(T); ++i) out += static_cast<char>(bits >> (8 * i) & 0xff);
}

void put_varint(std::string& out, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) out += static_cast<char>((v & 0x7f) | 0x80);
  out += static_cast<char>(v);
}

void put_key(std::string& out, unsigned field, WireType type) { put_varint(out, field << 3 | type); }

void put_string(std::string& out, unsigned field, std::string_view s) {
  put_key(out, field, kLength);
  put_varint(out, s.size());
  out += s;
}

std::string event_head(double unix_seconds, std::int64_t step) {
  std::string e;
  put_key(e, 1, kFixed64);
  put_little_endian(e, std::bit_cast<std::uint64_t>(unix_seconds));
  put_key(e, 2, kVarint);
  put_varint(e, static_cast<std::uint64_t>(step));
  return e;
}

}  // namespace

EventWriter::EventWriter(const std::string& folder, double unix_seconds, std::int64_t first_step) {
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST)
    throw_errno(ErrorKind::failed, folder, "make the folder", errno);
  const std::string stem = folder + "/events.out.tfevents." +
                           std::to_string(static_cast<std::int64_t>(std::floor(unix_seconds))) + ".hone";
  path_ = stem;
  // "x" refuses a file that exists: two runs started in one second, or a killed one's with a torn last
  // record.
  for (int n = 1; !file_; ++n) {
    file_.reset(std::fopen(path_.c_str(), "wbx"));
    if (file_) break;
    if (errno != EEXIST) throw_errno(ErrorKind::failed, path_, "write", errno);
    path_ = stem + "." + std::to_string(n);
  }
  try {
    begin(unix_seconds, first_step);
  } catch (...) {  // on a full disk a file is made, and nothing gets into it
    ::unlink(path_.c_str());
    throw;
  }
}

void EventWriter::begin(double unix_seconds, std::int64_t first_step) {
  std::string version = event_head(unix_seconds, 0);
  put_string(version, 3, "brain.Event:2");
  record(version);
  if (first_step > 0) {
    // On START at a step TensorBoard forgets the points that earlier files of the folder hold from there on.
    std::string start = event_head(unix_seconds, first_step + 1), log;
    put_key(log, 1, kVarint);
    put_varint(log, 1);
    put_string(start, 7, log);
    record(start);
  }
  flush();
}

void EventWriter::scalar(std::string_view tag, std::int64_t step, double value, double unix_seconds) {
  std::string v, summary, event = event_head(unix_seconds, step);
  put_string(v, 1, tag);
  put_key(v, 2, kFixed32);
  put_little_endian(v, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
  put_string(summary, 1, v);
  put_string(event, 5, summary);
  record(event);
}

void EventWriter::record(std::string_view data) {
  std::string out;
  put_little_endian(out, static_cast<std::uint64_t>(data.size()));
  put_little_endian(out, masked_crc32c(out));
  out += data;
  put_little_endian(out, masked_crc32c(data));
  if (std::fwrite(out.data(), 1, out.size(), file_.get()) != out.size()) {
    throw_errno(ErrorKind::failed, path_, "write", errno);
  }
}

void EventWriter::flush() {
  if (std::fflush(file_.get()) != 0) throw_errno(ErrorKind::failed, path_, "write", errno);
}

}  // namespace hone
