// A folder of files that is there whole or not at all, whatever instant the process dies at.
//
//   NewFolder out("model");                        // held: a second process is refused at once
//   write_file(out.staging() + "/config.json", text);
//   out.publish();                                 // without it nothing is left
//
// Where there is no folder of that name, its files are gathered in PATH.tmp, and one rename gives them the
// name. Where there is one, which may be empty, the root of a disk, or hold other files, they are gathered
// in it, and get their names one after the other, config.json last; what a process leaves that dies
// just then, the next one takes back. Files that are there already stay, and those of their names
// are dropped.
#pragma once
#include <optional>
#include <string>

#include "file/atomic.hpp"

namespace hone {

class NewFolder {
 public:
  // Makes the folders above it too. Error(failed) where it cannot be written, or another process writes it.
  explicit NewFolder(const std::string& path);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const std::string& staging() const { return place_.staged; }
  void publish();

  // Has a process died while it wrote there? The next NewFolder takes away what it left.
  static bool was_begun(const std::string& path);
  // Is a folder's entry of this name one of those by which it is written?
  static bool is_of_writing(const std::string& name);

 private:
  struct Place {
    std::string path;     // of the folder
    bool inside = false;  // is it there already?
    std::string room;     // where files are gathered, beside what says how far it came
    std::string staged;   // in it, with the files

    explicit Place(const std::string& path);
    std::string names() const { return room + "/names"; }
    void take_back() const;
    void clear() const;
  };

  void name_one_by_one();
  void leave();

  Place place_;
  Unfinished emptied_;  // undone last
  std::optional<MadeFolders> above_;
  std::optional<FolderLock> lock_;
  Unfinished unfinished_;
  bool published_ = false;
};

}  // namespace hone
