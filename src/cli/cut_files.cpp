#include "cli/cut_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <string_view>

#include "hone/error.hpp"

namespace hone::cli {
namespace {

// Only what POSIX allows in a handler is used below: no allocation, no stream, no lock.
bool with_json = false;

void put(int to, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(to, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// The number at the beginning of `line` in base 16, which is taken off it with what ends it.
std::uintptr_t take_address(std::string_view& line) {
  std::uintptr_t value = 0;
  while (!line.empty()) {
    const char c = line.front();
    line.remove_prefix(1);
    if (c >= '0' && c <= '9')
      value = value << 4 | static_cast<std::uintptr_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value << 4 | static_cast<std::uintptr_t>(c - 'a' + 10);
    else
      break;
  }
  return value;
}

// "55d0-55d4 r--s 00000000 fe:00 123      /path": the path, if the address is in that range.
std::string_view path_at(std::string_view line, std::uintptr_t address) {
  const std::uintptr_t first = take_address(line), end = take_address(line);
  const std::size_t path = line.find('/');
  return address < first || address >= end || path == std::string_view::npos ? std::string_view()
                                                                             : line.substr(path);
}

// The file that is mapped at an address, into `room`; empty where none is.
std::string_view mapped_path(std::uintptr_t address, std::array<char, 8192>& room) {
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return {};
  std::size_t held = 0;
  std::string_view found;
  while (found.empty()) {
    const ssize_t n = ::read(maps, room.data() + held, room.size() - held);
    if (n <= 0) break;
    held += static_cast<std::size_t>(n);
    std::string_view text(room.data(), held);
    for (std::size_t end; found.empty() && (end = text.find('\n')) != std::string_view::npos;
         text.remove_prefix(end + 1))
      found = path_at(text.substr(0, end), address);
    if (!found.empty()) break;
    std::copy(text.begin(), text.end(), room.begin());  // a line's beginning
    held = text.size();
  }
  ::close(maps);
  return found;
}

// Is it a JSON string as it stands?
bool is_plain(std::string_view path) {
  return std::ranges::all_of(path, [](char c) { return c >= ' ' && c < 0x7f && c != '"' && c != '\\'; });
}

extern "C" void on_bus_error(int, siginfo_t* info, void*) {
  constexpr std::string_view what = "a mapped file was cut short while in use (or its disk cannot be read)";
  static std::array<char, 8192> room;
  const std::string_view path = mapped_path(reinterpret_cast<std::uintptr_t>(info->si_addr), room);
  if (with_json) {
    put(STDOUT_FILENO, R"({"event":"error","exit_code":3,"message":")");
    if (!path.empty() && is_plain(path)) put(STDOUT_FILENO, path), put(STDOUT_FILENO, ": ");
    put(STDOUT_FILENO, what);
    put(STDOUT_FILENO, "\"}\n");
  }
  put(STDERR_FILENO, "hone: ");
  if (!path.empty()) put(STDERR_FILENO, path), put(STDERR_FILENO, ": ");
  put(STDERR_FILENO, what);
  put(STDERR_FILENO, "\n");
  ::_exit(exit_code(ErrorKind::input));
}

}  // namespace

void report_cut_files(bool json) {
  with_json = json;
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace hone::cli
