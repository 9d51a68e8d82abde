#include "file/atomic.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "file/disk.hpp"
#include "file/mapped.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

std::size_t entries(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

// Runs f in a process of its own; what it returns is the exit code.
template <class F>
int in_a_process(F&& f) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(f());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(AtomicFile, AppearsAtCommitAndNotBefore) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a", "old"), large(3 << 20, 'x');
  {
    AtomicFile file(path);
    file.write("head");
    file.write(large);
    file.write("tail");
    EXPECT_EQ(file.size(), large.size() + 8);
    file.patch(1, std::as_bytes(std::span("EA", 2)));
    EXPECT_EQ(read_whole(path), "old");
    file.commit();
  }
  EXPECT_EQ(read_whole(path), "hEAd" + large + "tail");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const TemporaryFolder folder;
  { AtomicFile(folder.file("a")).write("lost"); }
  EXPECT_EQ(entries(folder.path()), 0u);
}

TEST(AtomicFile, SecondWriterIsRefusedAndAKilledOnesRestIsWrittenOver) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  {
    AtomicFile file(path);
    error_of(ErrorKind::failed, [&] { AtomicFile second(path); });
  }
  folder.write("a.tmp", "a long rest of a process that was killed");
  write_file(path, "new");
  EXPECT_EQ(read_whole(path), "new");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(AtomicFile, ADiskThatTakesNoMoreIsAnErrorAndLeavesTheOldFile) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a", "old");
  const int code = in_a_process([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file(path, std::string(4 << 20, 'x'));
    } catch (const Error& e) {
      return e.kind() == ErrorKind::failed && e.text().where == path ? 7 : 8;
    }
    return 9;
  });
  EXPECT_EQ(code, 7);
  EXPECT_EQ(read_whole(path), "old");
  EXPECT_EQ(entries(folder.path()), 1u);
  EXPECT_EQ(errno_text(ENOSPC), "the disk is full");
}

TEST(AtomicFile, AFolderThatIsNotThereIsNamed) {
  const auto message = error_of(ErrorKind::failed, [] { write_file("no/such/folder/a", "x"); });
  EXPECT_NE(message.find("no/such/folder/a"), std::string::npos) << message;
  const TemporaryFolder folder;
  const std::string file = folder.write("file", "x");
  error_of(ErrorKind::failed, [&] { make_folders(file + "/below"); });
}

TEST(AtomicFolder, IsPublishedWholeAndReplacesAnOlderOne) {
  const TemporaryFolder folder;
  const std::string path = folder.file("checkpoint");
  for (const char* text : {"one", "two"}) {
    AtomicFolder out(path + "/", "a");
    write_file(out.file("a"), text);
    write_file(out.file(text), text);
    out.publish();
    EXPECT_EQ(read_whole(path + "/a"), text);
    EXPECT_EQ(entries(path), 2u);
    EXPECT_EQ(entries(folder.path()), 1u);
  }
}

// A file's bytes are on disk before it has its name, names before the folder has its own, and the folder's
// before the older one goes.
TEST(AtomicFile, PastThePageCacheHasTheSameBytes) {
  const TemporaryFolder folder;
  std::string all;
  all.resize(9'000'001);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i * i % 251);
  for (const std::size_t hurry_at : {std::size_t{0}, std::size_t{5'000'000}, all.size()}) {
    for (const bool short_writes : {false, true}) {
      const disk::Watch watch = [&](disk::Call& call) {
        if (call.act == disk::Act::write && short_writes && call.bytes > 1000) call.bytes -= 77;
        return 0;
      };
      disk::watch(&watch);
      std::atomic<bool> hurry{false};
      AtomicFile file(folder.file("a"), &hurry);
      for (std::size_t at = 0; at < all.size(); at += 333'333) {
        hurry = at >= hurry_at;
        file.write(std::string_view(all).substr(at, 333'333));
      }
      EXPECT_EQ(file.size(), all.size());
      file.commit();
      disk::watch(nullptr);
      EXPECT_TRUE(read_whole(folder.file("a")) == all) << hurry_at << short_writes;
    }
  }
}

TEST(AtomicFolder, ComesToDiskInTheRightOrder) {
  const TemporaryFolder folder;
  std::string calls;
  const disk::Watch watch = [&](const disk::Call& call) {
    static constexpr const char* acts[] = {"open", "write", "sync", "rename", "exchange", "mkdir", "remove"};
    std::string path = call.path;
    path = path == folder.path() ? "." : path.substr(folder.path().size() + 1);
    calls += std::string(acts[static_cast<int>(call.act)]) + " " + path + "\n";
    return 0;
  };
  fs::create_directory(folder.file("x"));
  folder.write("x/a", "old");
  disk::watch(&watch);
  {
    AtomicFolder out(folder.file("x"), "a");
    write_file(out.file("a"), "new");
    out.publish();
  }
  disk::watch(nullptr);
  EXPECT_EQ(calls,
            "mkdir x.tmp\n"
            "open x.tmp/a.tmp\nwrite x.tmp/a.tmp\nwrite x.tmp/a.tmp\nsync x.tmp/a.tmp\nrename x.tmp/a\n"
            "sync x.tmp\n"
            "rename x\nexchange x\nsync .\n"
            "remove x.tmp/a\nremove x.tmp\n");
  EXPECT_EQ(read_whole(folder.file("x/a")), "new");
}

TEST(AtomicFolder, ReturnsWhereItsProcessDiedBetweenTwoNames) {
  const TemporaryFolder folder;
  fs::create_directories(folder.file("x.replaced"));
  folder.write("x.replaced/a", "old");
  recover_folder(folder.file("x"));
  EXPECT_EQ(read_whole(folder.file("x/a")), "old");
  fs::create_directories(folder.file("x.replaced"));
  recover_folder(folder.file("x/"));
  EXPECT_EQ(read_whole(folder.file("x/a")), "old");
}

TEST(AtomicFolder, LeavesNothingWithoutPublish) {
  const TemporaryFolder folder;
  fs::create_directories(folder.file("x.tmp/rest/of/another"));
  {
    const AtomicFolder out(folder.file("x"), "a");
    EXPECT_EQ(entries(out.staging()), 0u);
    write_file(out.file("a"), "x");
  }
  EXPECT_EQ(entries(folder.path()), 0u);
}

TEST(AtomicFolder, DoesNotReplaceAFolderOfSomethingElse) {
  const TemporaryFolder folder;
  fs::create_directories(folder.file("mine"));
  const std::string thesis = folder.write("mine/thesis.txt", "years of work");
  error_of(ErrorKind::failed, [&] { AtomicFolder(folder.file("mine"), "a"); });
  EXPECT_EQ(read_whole(thesis), "years of work");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(AtomicFolder, DoesNotReplaceOneWithAFileOrFolderOfAnotherKindInIt) {
  const TemporaryFolder folder;
  fs::create_directories(folder.file("mine/raw"));
  folder.write("mine/a", "the marker");
  std::string message = error_of(ErrorKind::failed, [&] { AtomicFolder(folder.file("mine"), "a"); });
  EXPECT_NE(message.find("raw"), std::string::npos) << message;
  fs::remove(folder.file("mine/raw"));
  folder.write("mine/notes.txt", "by hand");
  { const AtomicFolder any_file(folder.file("mine"), "a"); }
  const auto belongs = [](const std::string&, const std::string& name) { return name == "a"; };
  message = error_of(ErrorKind::failed, [&] { AtomicFolder(folder.file("mine"), "a", belongs); });
  EXPECT_NE(message.find("notes.txt"), std::string::npos) << message;
  fs::remove(folder.file("mine/notes.txt"));
  { const AtomicFolder alone(folder.file("mine"), "a", belongs); }
}

TEST(MadeFolders, GoAgainWhereNothingCameIntoThem) {
  const TemporaryFolder folder;
  { const MadeFolders made(folder.file("a/b/c/")); }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  {
    const MadeFolders made(folder.file("a/b/c"));
    folder.write("a/b/file", "x");
  }
  EXPECT_FALSE(std::filesystem::exists(folder.file("a/b/c")));
  EXPECT_TRUE(std::filesystem::exists(folder.file("a/b/file")));
  { const MadeFolders made(folder.file("a/b")); }
  EXPECT_TRUE(std::filesystem::exists(folder.file("a/b/file")));
  error_of(ErrorKind::failed, [&] { MadeFolders(folder.file("new/" + std::string(300, 'x'))); });
  EXPECT_FALSE(std::filesystem::exists(folder.file("new")));
}

TEST(AtomicFolder, LeavesNoParentWithoutPublish) {
  const TemporaryFolder folder;
  { AtomicFolder out(folder.file("a/b"), "meta.json"); }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(FolderLock, RefusesASecondProcessAtOnceAndComesFreeWithTheFirst) {
  const TemporaryFolder folder;
  const auto try_lock = [&] {
    try {
      const FolderLock lock(folder.path());
      return 0;
    } catch (const Error& e) {
      return e.kind() == ErrorKind::failed ? 7 : 8;
    }
  };
  {
    const FolderLock lock(folder.path());
    EXPECT_EQ(in_a_process(try_lock), 7);
    EXPECT_EQ(try_lock(), 7);
  }
  EXPECT_EQ(in_a_process(try_lock), 0);
  EXPECT_EQ(entries(folder.path()), 0u);
}

TEST(FolderLock, AKilledProcessLeavesNoLock) {
  const TemporaryFolder folder;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const FolderLock lock(folder.path());
    if (::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(1);
  }
  char c;
  ASSERT_EQ(::read(ready[0], &c, 1), 1);
  error_of(ErrorKind::failed, [&] { FolderLock lock(folder.path()); });
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const FolderLock lock(folder.path());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(MappedFile, ShowsTheBytesAndSaysWhatItCannotRead) {
  const TemporaryFolder folder;
  const MappedFile file(folder.write("a", "bytes"));
  EXPECT_EQ(file.text(), "bytes");
  file.drop(0, file.size());
  EXPECT_EQ(file.text(), "bytes");
  EXPECT_EQ(MappedFile(folder.write("empty", "")).size(), 0u);
  EXPECT_NE(error_of(ErrorKind::input, [&] { MappedFile f(folder.file("absent")); }).find("no such file"),
            std::string::npos);
  EXPECT_NE(error_of(ErrorKind::input, [&] { MappedFile f(folder.path()); }).find("it is a folder"),
            std::string::npos);
  error_of(ErrorKind::input, [] { MappedFile f("/dev/null"); });
}

}  // namespace
}  // namespace hone
