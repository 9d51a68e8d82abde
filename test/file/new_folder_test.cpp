// Each call by which a folder is written fails once, or is the last one of its process: it is whole or not
// there, and the next one writes it.
#include "file/new_folder.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <functional>
#include <set>
#include <thread>

#include "file/disk.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

constexpr const char* files[] = {"config.json", "model.safetensors"};

void write_to(const std::string& path) {
  NewFolder out(path);
  for (const char* name : files) write_file(out.staging() + "/" + name, name);
  make_folders(out.staging() + "/more");
  write_file(out.staging() + "/more/template", "x");
  out.publish();
}

// What stands under the name before: none, an empty folder, one with a file that stays.
enum class Before { nothing, empty, a_file };

class NewFolders : public testing::TestWithParam<Before> {
 protected:
  NewFolders() {
    if (GetParam() != Before::nothing) fs::create_directory(path());
    if (GetParam() == Before::a_file) folder_.write("out/notes", "mine");
  }
  std::string path() const { return folder_.file("out"); }
  bool is_whole() const {
    for (const char* name : files)
      if (read_whole(path() + "/" + name) != name) return false;
    return read_whole(path() + "/more/template") == "x";
  }
  // As it was, but for what a writer that died may leave until the next one.
  void expect_as_before(bool died) const {
    std::set<std::string> names;
    if (fs::exists(path())) names = names_in(path());
    EXPECT_FALSE(names.contains("config.json"));
    if (died) return;
    EXPECT_EQ(fs::exists(path()), GetParam() != Before::nothing);
    EXPECT_EQ(names, GetParam() == Before::a_file ? std::set<std::string>{"notes"} : std::set<std::string>{});
    EXPECT_EQ(names_in(folder_.path()).size(), GetParam() == Before::nothing ? 0u : 1u);
  }
  void expect_whole() const {
    EXPECT_TRUE(is_whole());
    EXPECT_EQ(names_in(path()).size(), GetParam() == Before::a_file ? 4u : 3u);
    EXPECT_EQ(names_in(folder_.path()), std::set<std::string>{"out"});
    if (GetParam() == Before::a_file) {
      EXPECT_EQ(read_whole(path() + "/notes"), "mine");
    }
  }

  TemporaryFolder folder_;
};

TEST_P(NewFolders, AreWhole) {
  write_to(path() + "/");
  expect_whole();
}

TEST_P(NewFolders, LeaveNothingWithoutPublish) {
  {
    const NewFolder out(path());
    write_file(out.staging() + "/config.json", "x");
    EXPECT_FALSE(fs::exists(path() + "/config.json"));
  }
  expect_as_before(false);
}

TEST_P(NewFolders, AreWrittenByOneAtATime) {
  NewFolder out(path());
  const std::string said = error_of(ErrorKind::failed, [&] { NewFolder second(path()); });
  EXPECT_NE(said.find("another process is working"), std::string::npos) << said;
  for (const char* name : files) write_file(out.staging() + "/" + name, name);
  make_folders(out.staging() + "/more");
  write_file(out.staging() + "/more/template", "x");
  out.publish();
  EXPECT_TRUE(is_whole());
}

TEST_P(NewFolders, LeaveNothingWhereACallFails) {
  for (std::size_t at = 0;; ++at) {
    SCOPED_TRACE(at);
    std::size_t calls = 0;
    bool met = false;
    const disk::Watch watch = [&](disk::Call& call) {
      if (calls++ != at) return 0;
      met = call.act != disk::Act::remove;  // what cannot be removed stays
      return met ? ENOSPC : 0;
    };
    disk::watch(&watch);
    bool failed = false;
    try {
      write_to(path());
    } catch (const Error& e) {
      failed = true;
      EXPECT_EQ(e.kind(), ErrorKind::failed);
    }
    disk::watch(nullptr);
    EXPECT_EQ(failed, met);
    if (failed) {
      expect_as_before(false);
      continue;
    }
    expect_whole();
    for (const char* name : files) fs::remove(path() + "/" + name);
    fs::remove_all(path() + "/more");
    if (GetParam() == Before::nothing) fs::remove(path());
    if (calls <= at) break;
  }
}

TEST_P(NewFolders, AreWrittenByTheNextWhereAProcessDied) {
  std::size_t whole = 0;
  for (std::size_t at = 0;; ++at) {
    SCOPED_TRACE(at);
    const pid_t child = ::fork();
    if (child == 0) {
      std::size_t calls = 0;
      const disk::Watch watch = [&](disk::Call&) {
        if (calls++ == at) ::raise(SIGKILL);
        return 0;
      };
      disk::watch(&watch);
      write_to(path());
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (is_whole()) {
      ++whole;
      if (NewFolder::was_begun(path())) const NewFolder next(path());  // tidies up
    } else {
      expect_as_before(true);
      write_to(path());
    }
    expect_whole();
    for (const char* name : files) fs::remove(path() + "/" + name);
    fs::remove_all(path() + "/more");
    if (GetParam() == Before::nothing) fs::remove(path());
    if (WIFEXITED(status)) break;
  }
  EXPECT_GT(whole, 1u);
}

TEST_P(NewFolders, AreNoMoreWhereTheProcessIsToEnd) {
  for (const bool publishing : {false, true}) {
    if (publishing && GetParam() == Before::nothing) continue;  // one rename names all
    const pid_t child = ::fork();
    if (child == 0) {
      std::jthread ender;
      const disk::Watch watch = [&](disk::Call& call) {
        const bool now = std::string_view(call.path).ends_with(publishing ? "/out/model.safetensors"
                                                                          : "model.safetensors.tmp");
        if (now && !ender.joinable())
          ender = std::jthread([] {
            remove_unfinished();
            ::_exit(9);
          });
        return 0;
      };
      disk::watch(&watch);
      write_to(path());
      ::sleep(5);
      ::_exit(1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 9);
    if (!is_whole()) expect_as_before(false);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, NewFolders, testing::Values(Before::nothing, Before::empty, Before::a_file));

TEST(NewFolder, MakesFoldersAboveAndTakesThemBack) {
  const TemporaryFolder folder;
  { const NewFolder out(folder.file("a/b/out")); }
  EXPECT_TRUE(fs::is_empty(folder.path()));
  write_to(folder.file("a/b/out"));
  EXPECT_TRUE(fs::exists(folder.file("a/b/out/config.json")));
  const std::string file = folder.write("file", "x");
  error_of(ErrorKind::failed, [&] { NewFolder(file + "/out"); });
}

TEST(NewFolder, FilesThatAreThereStay) {
  const TemporaryFolder folder;
  fs::create_directory(folder.file("out"));
  folder.write("out/model.safetensors", "mine");
  write_to(folder.file("out"));
  EXPECT_EQ(read_whole(folder.file("out/model.safetensors")), "mine");
  EXPECT_EQ(read_whole(folder.file("out/config.json")), "config.json");
}

TEST(NewFolder, DoesNotTakeAnothersFolderForOneUnderWay) {
  const TemporaryFolder folder;
  fs::create_directory(folder.file("out.tmp"));
  folder.write("out.tmp/thesis.txt", "years of work");
  const std::string said = error_of(ErrorKind::failed, [&] { NewFolder(folder.file("out")); });
  EXPECT_NE(said.find("thesis.txt"), std::string::npos) << said;
  EXPECT_EQ(read_whole(folder.file("out.tmp/thesis.txt")), "years of work");
}

}  // namespace
}  // namespace hone
