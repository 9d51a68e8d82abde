#include "cli/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <thread>

#include "cli/json_line.hpp"
#include "cli/numbers.hpp"

namespace hone::cli {

void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0)
      ::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // the lowest number that is free
}

ProgressOptions progress_options() {
  ProgressOptions o;
  o.terminal = isatty(STDERR_FILENO) == 1;
  const char* no_colour = std::getenv("NO_COLOR");
  o.colour = o.terminal && !(no_colour && *no_colour);
  winsize size{};
  if (o.terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) o.width = size.ws_col;
  return o;
}

void print_text(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);  // a model may say a NUL
  std::fflush(stdout);
}

void print(const std::string& line) { print_text(line + "\n"); }

void message(const std::string& text) { std::fputs((printable(text) + "\n").c_str(), stderr); }

void print_notes(const std::vector<std::string>& notes) {
  for (const std::string& note : notes) message("note: " + note);
}

std::string shell_word(const std::string& word) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("_-+=:,./@%").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

namespace {

// As TrainPlan says it of a budget that is too small.
std::optional<std::int64_t> smallest_bytes(const std::string& expected) {
  constexpr std::string_view least = "at least ";
  if (!expected.starts_with(least)) return {};
  try {
    return bytes_from_text(expected.substr(least.size()), "");
  } catch (const Error&) {  // it speaks of something else
    return {};
  }
}

}  // namespace

void print_error_event(int exit_code, const std::string& what, const ErrorText& text) {
  JsonLine line;
  line.add("event", "error").add("exit_code", exit_code).add("message", what);
  if (exit_code == hone::exit_code(ErrorKind::budget))
    if (const auto bytes = smallest_bytes(text.expected)) line.add("smallest_bytes", *bytes);
  print(line.text());
}

namespace {

std::atomic<int> signals{0};
static_assert(std::atomic<int>::is_always_lock_free);

// A terminal that is closed may hang up twice, and a reader that is gone is met by each line: neither asks
// for haste.
extern "C" void on_signal(int signal) {
  if (signals.fetch_add(1) > 0 && signal != SIGHUP && signal != SIGPIPE) _exit(130);
}

}  // namespace

// A handler may do next to nothing, so a thread that sleeps most of the time carries the request on.
std::stop_token interruption() {
  static std::stop_source source;
  static const std::jthread watcher([](const std::stop_token& end) {
    while (!end.stop_requested() && signals.load() == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (signals.load() > 0) source.request_stop();
  });
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  for (const int signal : {SIGHUP, SIGPIPE})
    if (std::signal(signal, on_signal) == SIG_IGN) std::signal(signal, SIG_IGN);  // nohup
  return source.get_token();
}

}  // namespace hone::cli
