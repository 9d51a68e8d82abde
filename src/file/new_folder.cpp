#include "file/new_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "file/disk.hpp"
#include "file/mapped.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr const char* room_inside = ".hone.new";
constexpr const char* last_file = "config.json";  // without which nobody takes a folder for a model

bool is_there(const std::string& path) {
  std::error_code unreadable;
  return fs::exists(fs::symlink_status(path, unreadable));
}

std::vector<std::string> entries_of(const std::string& folder) {
  std::error_code none;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder, none))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

std::string room_beside(const std::string& path) { return path + ".tmp"; }
std::string staged_in(const std::string& room) { return room + "/model"; }

// Has somebody had its lock?
bool is_rest(const std::string& room) { return is_there(room + "/" + FolderLock::file_name); }

// Is it what a writer has left, perhaps on its last steps?
bool was_left(const std::string& room) {
  return is_rest(room) || (is_folder(room) && entries_of(room).empty());
}

// A folder of that name that no writer has left would be lost.
void require_rest(const std::string& room) {
  if (!is_folder(room) || was_left(room)) return;
  throw Error(ErrorKind::failed,
              {.what = "the folder holds other files, and its name is that of one under way",
               .where = room,
               .expected = "no folder",
               .found = entries_of(room).front(),
               .hint = "move it away, or name another one to write"});
}

// Of a process that died when its folder had the name already; one that is at work there keeps it.
void clear_beside(const std::string& room) {
  if (!was_left(room)) return;
  try {
    const FolderLock lock(room);
    remove_tree(staged_in(room));
  } catch (const Error&) {
    return;
  }
  disk::rmdir(room.c_str());
}

}  // namespace

NewFolder::Place::Place(const std::string& to)
    : path(without_slash(to)),
      inside(is_folder(path)),
      room(inside ? path + "/" + room_inside : room_beside(path)),
      staged(staged_in(room)) {}

// What has its name though others have not; `names` has them in their order, each ended by a NUL.
void NewFolder::Place::take_back() const {
  if (!inside || !is_file(names())) return;
  const std::string text = read_file(names());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    const std::string name = text.substr(at, end - at);
    if (!is_there(staged + "/" + name)) remove_tree(path + "/" + name);
    at = end + 1;
  }
}

// `names` last: while files are there, it may still be needed.
void NewFolder::Place::clear() const {
  remove_tree(staged);
  if (inside) remove_tree(room);
}

bool NewFolder::was_begun(const std::string& path) {
  const Place place(path);
  return is_there(place.room) || is_rest(place.path) || was_left(room_beside(place.path));
}

bool NewFolder::is_of_writing(const std::string& name) {
  return name == room_inside || name == FolderLock::file_name;
}

NewFolder::NewFolder(const std::string& path) : place_(path) {
  if (place_.inside) {
    lock_.emplace(place_.path);
    // All have their names where the last one has.
    const std::string last = place_.staged + "/" + last_file;
    if (is_there(last)) place_.take_back();
    place_.clear();
    clear_beside(room_beside(place_.path));
  } else {
    above_.emplace(folder_of(place_.path));
    require_rest(place_.room);
    emptied_ = Unfinished([room = place_.room] { disk::rmdir(room.c_str()); });
    lock_.emplace(place_.room);
    place_.clear();
  }
  unfinished_ = Unfinished([place = place_] { place.take_back(), place.clear(); });
  try {
    make_folders(place_.staged);
  } catch (...) {
    place_.clear();
    throw;
  }
}

NewFolder::~NewFolder() {
  if (published_) return;
  place_.take_back();
  leave();
}

void NewFolder::leave() {
  place_.clear();
  lock_.reset();
  if (!place_.inside) disk::rmdir(place_.room.c_str());
}

void NewFolder::name_one_by_one() {
  std::vector<std::string> names = entries_of(place_.staged);
  std::erase_if(names, [this](const std::string& name) { return is_there(place_.path + "/" + name); });
  std::stable_partition(names.begin(), names.end(),
                        [](const std::string& name) { return name != last_file; });
  std::string text;
  for (const std::string& name : names) text += name + '\0';
  write_file(place_.names(), text);
  for (const std::string& name : names) rename_path(place_.staged + "/" + name, place_.path + "/" + name);
  sync_folder(place_.path);
}

void NewFolder::publish() {
  if (place_.inside) {
    name_one_by_one();
  } else {
    rename_path(place_.staged, place_.path);
    try {
      sync_folder(folder_of(place_.path));
    } catch (...) {
      disk::rename(place_.path.c_str(), place_.staged.c_str());
      throw;
    }
  }
  published_ = true;
  unfinished_.forget();
  leave();
}

}  // namespace hone
