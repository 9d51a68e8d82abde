// What the program knows of its terminal, and how it speaks: data to stdout, messages to stderr.
#pragma once
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/error.hpp"
#include "hone/report.hpp"

namespace hone::cli {

// Standard streams that were closed before the program began (`>&-`) stay closed to it, yet their numbers are
// taken: else the next file that is opened got one, and what is printed.
void hold_standard_streams();

ProgressOptions progress_options();                       // of stderr: a terminal or not, its width, NO_COLOR
void print(const std::string& line);                      // a line to stdout
void print_text(const std::string& text);                 // as it is, to stdout
void message(const std::string& text);                    // a line to stderr, printable()
void print_notes(const std::vector<std::string>& notes);  // "note: ...", each a line to stderr

// A word as a shell takes it for one: as it is, or 'in quotes'.
std::string shell_word(const std::string& word);

// An error whose answer stands on stdout already: with --json nothing more is printed there.
struct Answered : Error {
  using Error::Error;
};
// What ended a command, by --json: an event of its exit code and message; of what does not fit a budget,
// "smallest_bytes" of the smallest that would do, where that is known.
void print_error_event(int exit_code, const std::string& what, const ErrorText& text = {});

// Stops on the first Ctrl-C, SIGTERM or hang-up; a second Ctrl-C or SIGTERM ends the program.
std::stop_token interruption();
// For a command that nothing else stops: these end it at once, with 1, and nothing half-written stays.
// `json`: an event says so, too.
void leave_nothing_unfinished(bool json);

// Ctrl-C that stops one thing after the other, and not the program.
class Interrupts {
 public:
  Interrupts();  // from here on; one in a program
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  std::stop_token next();  // of what begins now: stopped by the next Ctrl-C
  int count() const;       // so far

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Lines from stdin, which Ctrl-C interrupts.
class LineInput {
 public:
  enum class Got { line, end, interrupted };
  Got next(std::string& line);  // without its newline
  std::string rest();           // all that follows

 private:
  bool read_more(bool& interrupted);  // false: nothing came
  std::string buffer_;
  bool ended_ = false;
};

bool is_terminal(int stream);  // 0, 1, 2

}  // namespace hone::cli
