// Each call by which a save changes the disk fails once, in every way, or is the last one of its process:
// afterwards the checkpoint before or the new one is whole, and training goes on from it to the same bits.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "file/disk.hpp"
#include "tiny_gpt2.hpp"
#include "train/run_files.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;
using disk::Act;

constexpr std::int64_t B = 2, T = 8, old_step = 1, new_step = 2, last_step = 4;
const TinyGpt2 small{.layers = 1, .heads = 1, .width = 8, .vocab_size = 16, .context = T};

Trainer trainer() {
  static const TrainPlan plan(small.model(), {.batch = B, .seq = T, .threads = 1});
  return Trainer(plan);
}

void run(Trainer& t, std::int64_t until) {
  while (t.steps() < until) t.step(toy_batch(t.steps(), B, T, small.vocab_size), {.lr = 1e-2f});
}

const std::string& undisturbed_hash() {
  static const std::string hash = [] {
    Trainer t = trainer();
    run(t, last_step);
    return t.weights_hash();
  }();
  return hash;
}

// A way to save: the folder of a run, or one checkpoint replaced by the next.
struct Way {
  const char* name;
  bool exchanges;  // can the file system swap two folders?
  void (*save)(Trainer&, const std::string& folder);
  std::int64_t (*resume)(Trainer&, const std::string& folder);  // the step
};

void save_in_run(Trainer& t, const std::string& folder) {
  RunFolder(folder).save(t, {.notes = {{"a", "b"}}, .files = {{"tokenizer.json", "{}"}}}, 1);
  t.await_checkpoint();
}
std::int64_t resume_run(Trainer& t, const std::string& folder) {
  RunFolder(folder).resume(
      t, [](const RunIdentity::Notes&) {}, [](const std::string&) {});
  return t.steps();
}
void replace_one(Trainer& t, const std::string& folder) { t.save_checkpoint(folder + "/one"); }
std::int64_t resume_one(Trainer& t, const std::string& folder) {
  t.resume(folder + "/one");
  return t.steps();
}

const Way ways[] = {{"a run keeps one", true, save_in_run, resume_run},
                    {"one is replaced", true, replace_one, resume_one},
                    {"one is replaced where folders cannot be swapped", false, replace_one, resume_one}};

enum class Fault { no_space, input_output, short_write, death };
constexpr const char* faults[] = {"the disk is full", "an I/O error", "a short write, then a full disk",
                                  "death"};

// What stands in the way of call `at`, counted from 0.
struct Obstacle {
  const Way& way;
  std::size_t at;
  Fault fault;
  std::size_t calls = 0;
  bool met = false;

  int operator()(disk::Call& call) {
    if (call.act == Act::exchange && !way.exchanges) return EINVAL;
    const std::size_t n = calls++;
    if (fault == Fault::short_write) return write_short(call, n);
    if (n != at) return 0;
    met = true;
    if (fault == Fault::death) ::_exit(9);
    return fault == Fault::no_space ? ENOSPC : EIO;
  }

  int write_short(disk::Call& call, std::size_t n) {
    if (met) return call.act == Act::write ? ENOSPC : 0;
    if (n < at || call.bytes < 2) return 0;
    met = true;
    call.bytes /= 2;
    return 0;
  }
};

// Did it return, rather than throw Error(failed)?
bool saved(const Way& way, Trainer& t, const std::string& folder, Obstacle& obstacle) {
  const disk::Watch watch = std::ref(obstacle);
  disk::watch(&watch);
  bool returned = true;
  try {
    way.save(t, folder);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::failed) << e.what();
    returned = false;
  }
  disk::watch(nullptr);
  return returned;
}

bool saved_in_a_process(const Way& way, Trainer& t, const std::string& folder, Obstacle& obstacle) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(saved(way, t, folder, obstacle) ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  obstacle.met = WEXITSTATUS(status) == 9;
  return WEXITSTATUS(status) == 0;
}

class Faults : public testing::TestWithParam<Way> {
 protected:
  const Way& way() const { return GetParam(); }

  // Saves at new_step over or beside a checkpoint of old_step, with the obstacle, and looks at what there is.
  // False where the save made fewer calls.
  bool meets(Fault fault, std::size_t at) {
    const TemporaryFolder place;
    Trainer t = trainer();
    run(t, old_step);
    way().save(t, place.path());
    run(t, new_step);
    Obstacle obstacle{way(), at, fault};
    const bool returned = fault == Fault::death ? saved_in_a_process(way(), t, place.path(), obstacle)
                                                : saved(way(), t, place.path(), obstacle);
    if (!obstacle.met) return false;
    Trainer resumed = trainer();
    const std::int64_t step = way().resume(resumed, place.path());
    EXPECT_TRUE(step == new_step || (step == old_step && !returned)) << step;
    run(resumed, last_step);
    EXPECT_EQ(resumed.weights_hash(), undisturbed_hash());
    way().save(resumed, place.path());  // and leaves nothing of the one that failed
    expect_tidy(place.path());
    return true;
  }

  static void expect_tidy(const std::string& folder) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      for (const char* rest : {".tmp", ".replaced", ".removed", ".damaged"})
        EXPECT_EQ(name.find(rest), std::string::npos) << entry.path();
    }
  }

  // Every `stride`th call, each fault from another one on.
  void look(std::size_t stride) {
    for (const Fault fault : {Fault::no_space, Fault::input_output, Fault::short_write, Fault::death}) {
      std::size_t at = static_cast<std::size_t>(fault) % stride;
      for (;; at += stride) {
        SCOPED_TRACE(std::string(way().name) + ": " + faults[static_cast<int>(fault)] + " at call " +
                     std::to_string(at));
        if (!meets(fault, at)) break;
      }
      EXPECT_GT(at, 20u);  // six files, each opened, written, flushed and named
    }
  }
};

class LongFaults : public Faults {};
TEST_P(Faults, LeaveTheOldOrTheNewCheckpointWhole) {
  look(7);
}  // each save waits for the disk dozens of times
TEST_P(LongFaults, LeaveTheOldOrTheNewCheckpointWhole) { look(1); }

INSTANTIATE_TEST_SUITE_P(Each, Faults, testing::ValuesIn(ways));
INSTANTIATE_TEST_SUITE_P(Long, LongFaults, testing::ValuesIn(ways));

}  // namespace
}  // namespace hone
