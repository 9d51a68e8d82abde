// A mapped file that somebody cuts short while it is read gives the process a SIGBUS. The library, a guest,
// installs no handler; the program does, so that it ends with a message and the exit code of a bad input
// file.
#pragma once

namespace hone::cli {

// From here on. `json`: an error event on stdout, too.
void report_cut_files(bool json);

}  // namespace hone::cli
