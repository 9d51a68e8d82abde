#include "cli/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "cli/json_line.hpp"
#include "cli/numbers.hpp"
#include "hone/unfinished.hpp"

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

void leave_nothing_unfinished(bool json) {
  static const std::stop_callback end(interruption(), [json] {  // on the thread that waits for signals
    remove_unfinished();
    const ErrorText text{.what = "stopped: nothing that was not finished stays"};
    const int code = exit_code(ErrorKind::failed);
    if (json) print_error_event(code, text.what);
    message("hone: " + text.what);
    _exit(code);
  });
}

namespace {

std::atomic<int> interrupts{0};

extern "C" void on_interrupt(int) { interrupts.fetch_add(1); }

}  // namespace

struct Interrupts::Parts {
  std::mutex lock;
  std::stop_source current;
  std::jthread watcher;
};

Interrupts::Interrupts() : parts_(std::make_unique<Parts>()) {
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // without SA_RESTART, so that it wakes who waits for a line
  sigaction(SIGINT, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a reader that is gone is met by the next write
  parts_->watcher = std::jthread([this](const std::stop_token& end) {
    for (int seen = interrupts.load(); !end.stop_requested();
         std::this_thread::sleep_for(std::chrono::milliseconds(20))) {
      if (interrupts.load() == seen) continue;
      seen = interrupts.load();
      const std::lock_guard guard(parts_->lock);
      parts_->current.request_stop();
    }
  });
}

Interrupts::~Interrupts() = default;

std::stop_token Interrupts::next() {
  const std::lock_guard guard(parts_->lock);
  parts_->current = std::stop_source();
  return parts_->current.get_token();
}

int Interrupts::count() const { return interrupts.load(); }

bool LineInput::read_more(bool& interrupted) {
  char bytes[4096];
  const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
  interrupted = count < 0 && errno == EINTR;
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

LineInput::Got LineInput::next(std::string& line) {
  std::size_t end = buffer_.find('\n');
  for (bool interrupted = false; end == std::string::npos && !ended_; end = buffer_.find('\n')) {
    if (read_more(interrupted)) continue;
    if (interrupted) return Got::interrupted;
    ended_ = true;
  }
  if (end == std::string::npos && buffer_.empty()) return Got::end;
  line = buffer_.substr(0, end);
  buffer_.erase(0, end == std::string::npos ? end : end + 1);
  return Got::line;
}

std::string LineInput::rest() {
  for (bool interrupted = false; read_more(interrupted) || interrupted;) {
  }
  ended_ = true;
  return std::exchange(buffer_, {});
}

bool is_terminal(int stream) { return isatty(stream) == 1; }

}  // namespace hone::cli
