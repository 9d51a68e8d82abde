// For a program that ends at once, as at a signal: what the library has begun to write, and has not finished,
// goes.
//
//   std::thread watcher([](int signal) { hone::remove_unfinished(), std::_Exit(128 + signal); }, 15);
//   watcher.join();  // once a signal came, which such a thread waits for
//
// The library installs no handler; a file or folder that a call makes has its name when it is whole.
#pragma once
#include "hone/error.hpp"

namespace hone {

// Removes temporary files and folders, and locks, of all calls that are under way. From here on no other
// thread changes anything on disk: whoever begins to waits for ever, so the process has to end. From any
// thread, not from a signal's handler.
HONE_API void remove_unfinished();

}  // namespace hone
