// What a run may write over, and what it leaves behind where it did no step.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "train/taught_run.hpp"

namespace hone {
namespace {

class OutFolder : public testing::Test {
 protected:
  OutFolder() {
    run_.model = "tiny";
    run_.data = folder_.write("text.txt", lines_of_numbers());
    run_.out = folder_.file("out");
    run_.steps = 1;
    run_.warmup = 0;
    run_.plan.batch = 2;
    run_.plan.seq = 16;
    run_.plan.threads = 1;
  }

  // The folder `out` holds these files alone, each with its name as its contents.
  void stands_there(const std::vector<std::string>& names) {
    std::filesystem::remove_all(run_.out);
    std::filesystem::create_directories(run_.out);
    for (const std::string& name : names) folder_.write("out/" + name, name);
  }
  void expect_refused(const std::string& words) {
    const std::string message = error_of(ErrorKind::usage, [&] { train(run_); });
    EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_NE(message.find("another --out"), std::string::npos) << message;
    EXPECT_EQ(error_of(ErrorKind::usage, [&] { plan_of(run_); }), message);
  }

  TemporaryFolder folder_;
  TrainingRun run_;
};

TEST_F(OutFolder, AnotherModelIsNotReplaced) {
  for (const char* name : {"config.json", "model.safetensors", "model.safetensors.index.json",
                           "model-00001-of-00002.safetensors", "pytorch_model.bin", "tokenizer.json"}) {
    stands_there({"notes.txt", name});
    for (const bool resume : {true, false}) {
      run_.resume = resume;
      expect_refused(name);
    }
    std::ifstream kept(run_.out + "/" + name);
    std::string contents;
    EXPECT_TRUE(kept >> contents && contents == name) << contents;
  }
}

TEST_F(OutFolder, AModelsOwnFolderIsNotReplaced) {
  train(run_);
  run_.model = run_.out;
  expect_refused("replaced");
  std::filesystem::remove_all(run_.out + "/checkpoints");
  expect_refused("replaced");
}

TEST_F(OutFolder, MayHoldOtherFilesAndTheRunsOwnTokenizer) {
  stands_there({"notes.txt"});
  Tokenizer::bytes().save(run_.out);
  EXPECT_EQ(train(run_).steps, 1);
  run_.resume = false;
  EXPECT_EQ(train(run_).steps, 1);
}

TEST_F(OutFolder, APipeForACheckpointsFileIsNotWaitedFor) {
  train(run_);
  const std::string state = run_.out + "/checkpoints/step-00000001/state.json";
  std::filesystem::remove(state);
  ASSERT_EQ(::mkfifo(state.c_str(), 0600), 0);
  run_.steps = 2;
  error_of(ErrorKind::input, [&] { train(run_); });
}

TEST_F(OutFolder, ATokenizerInMemoryIsSavedWithTheModel) {
  run_.made_tokenizer = Tokenizer::train_bpe(read_texts(run_.data), {.vocab_size = 300});
  train(run_);
  EXPECT_EQ(Tokenizer::open(run_.out).json(), run_.made_tokenizer->json());
}

TEST_F(OutFolder, NothingIsLeftByARunThatDidNoStep) {
  std::filesystem::create_directories(folder_.file("kept"));
  for (const char* out : {"new", "new/of/new", "kept/new/", "kept"}) {
    run_.out = folder_.file(out);
    run_.on_start = [](const TrainPlan&, std::int64_t) {
      throw Error(ErrorKind::budget, {.what = "too large"});
    };
    error_of(ErrorKind::budget, [&] { train(run_); });
    std::stop_source stop;
    run_.stop = stop.get_token();
    run_.on_start = [&](const TrainPlan&, std::int64_t) { stop.request_stop(); };
    EXPECT_TRUE(train(run_).stopped);
    run_.stop = {};
    EXPECT_FALSE(std::filesystem::exists(folder_.file("new"))) << out;
    EXPECT_TRUE(std::filesystem::is_empty(folder_.file("kept"))) << out;
  }
}

}  // namespace
}  // namespace hone
