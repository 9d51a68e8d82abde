// The one error that hone throws: what went wrong, where, what was expected and found, what to do.
//
//   try {
//     hone::open("model");
//   } catch (const hone::Error& e) {
//     std::fprintf(stderr, "%s\n", e.what());
//     return hone::exit_code(e.kind());
//   }
//
// Asserts inside hone are for its own bugs; whatever a caller or a file gets wrong arrives as an Error.
#pragma once
#include <exception>
#include <string>
#include <string_view>

#if defined(__GNUC__)
#define HONE_API __attribute__((visibility("default")))
#else
#define HONE_API
#endif

namespace hone {

enum class ErrorKind {
  failed,   // the machine said no: disk full, folder not writable, run interrupted
  usage,    // an option or argument that does not exist or contradicts another
  input,    // a file, a model, a text or a value at fault
  budget,   // does not fit the memory or time that was granted
  quality,  // the contract on quality was not met
};

// The process exit code of a kind: failed 1, usage 2, input 3, budget 4, quality 5.
HONE_API int exit_code(ErrorKind kind);

// On one line, and no more than text to a terminal: control characters, and bytes that are no UTF-8, as \x1b.
// For names out of files, of which some are made to move the cursor or to hide what follows.
HONE_API std::string printable(std::string_view text);

// The parts of a message; empty ones are left out. `what` is a sentence without a full stop.
struct ErrorText {
  std::string what{};  // "the file ends inside its header"
  // "model.safetensors, byte 812" or "layer h.3.attn"; of a value that a struct of options cannot have, its
  // member's name, which the program turns into its option's: "micro_batch" into "--micro-batch"
  std::string where{};
  std::string expected{};  // "1024 bytes"
  std::string found{};     // "17 bytes"
  std::string hint{};      // "download the file again"
};

class HONE_API Error : public std::exception {
 public:
  Error(ErrorKind kind, ErrorText text);
  ~Error() override;
  Error(const Error&);
  Error& operator=(const Error&);

  ErrorKind kind() const { return kind_; }
  const ErrorText& text() const { return text_; }
  // "WHERE: WHAT: expected E, found F (HINT)", printable().
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorKind kind_;
  ErrorText text_;
  std::string message_;
};

}  // namespace hone
