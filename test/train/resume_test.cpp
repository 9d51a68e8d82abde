// Whether a run goes on in a folder: only the run that was begun there, known by contents, with what changes
// said.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/number.hpp"
#include "hone/shards.hpp"
#include "hone/training_run.hpp"
#include "temporary_folder.hpp"
#include "train/run_files.hpp"
#include "train/run_schedule.hpp"

namespace hone {
namespace {

std::string a_text(char first) {
  std::string text(1, first);
  for (int i = 0; i < 400; ++i) text += "line " + std::to_string(i * i % 89) + "\n";
  return text;
}

class Resume : public testing::Test {
 protected:
  Resume() {
    run_.model = "tiny";
    run_.data = folder_.write("text.txt", a_text('a'));
    run_.out = folder_.file("out");
    run_.steps = 2;
    run_.warmup = 0;
    run_.plan.batch = 2;
    run_.plan.seq = 16;
    run_.plan.threads = 1;
  }

  RunSummary go() {
    messages_.clear();
    first_ = -1;
    run_.on_message = [this](const std::string& text) { messages_ += text + "\n"; };
    run_.on_start = [this](const TrainPlan&, std::int64_t first) { first_ = first; };
    return train(run_);
  }
  // The same run in a folder of its own.
  std::string base(const std::string& name, std::uint64_t seed) {
    TrainingRun other = run_;
    other.plan.seed = seed;
    other.out = folder_.file(name);
    train(other);
    return other.out;
  }
  void expect_refused(const char* what) {
    const std::string message = error_of(ErrorKind::usage, [&] { go(); });
    EXPECT_NE(message.find(std::string("another ") + what), std::string::npos) << message;
    EXPECT_NE(message.find("--resume never"), std::string::npos) << message;
  }
  void expect_said(const std::string& words) {
    EXPECT_NE(messages_.find(words), std::string::npos) << messages_;
  }

  TemporaryFolder folder_;
  TrainingRun run_;
  std::string messages_;
  std::int64_t first_ = -1;
};

TEST_F(Resume, AFinishedRunDoesNoStepWhereverItsFilesAre) {
  run_.model = base("base", 1);
  const RunSummary once = go();
  std::filesystem::rename(run_.model, folder_.file("moved"));
  std::filesystem::rename(run_.data, folder_.file("moved.txt"));
  run_.model = folder_.file("moved");
  run_.data = folder_.file("moved.txt");
  EXPECT_EQ(go().weights_hash, once.weights_hash);
  EXPECT_EQ(first_, 2);
  EXPECT_EQ(messages_.find("note:"), std::string::npos) << messages_;
}

TEST_F(Resume, AStopAfterTheLastStepLeavesTheRestToTheNextStart) {
  std::stop_source stop;
  run_.stop = stop.get_token();
  run_.on_step = [&](const StepEvent& e) {
    if (e.step == run_.steps) stop.request_stop();
  };
  const RunSummary stopped = go();
  EXPECT_TRUE(stopped.stopped);
  EXPECT_EQ(stopped.steps, 2);
  EXPECT_FALSE(std::filesystem::exists(run_.out + "/model.safetensors"));
  run_.stop = {};
  const RunSummary done = go();
  EXPECT_FALSE(done.stopped);
  EXPECT_EQ(first_, 2);
  EXPECT_EQ(open(run_.out).weights_hash(), done.weights_hash);
  EXPECT_EQ(done.weights_hash, stopped.weights_hash);
}

TEST_F(Resume, AnotherBaseModelIsRefused) {
  run_.model = base("base", 1);
  go();
  run_.model = base("other", 2);
  expect_refused("base model: its weights differ");
  run_.resume = false;
  go();
  EXPECT_EQ(first_, 0);
}

TEST_F(Resume, AnotherTextOfTheSameSizeIsRefused) {
  go();
  folder_.write("text.txt", a_text('b'));
  expect_refused("text");
}

TEST_F(Resume, ATokenizerWithOtherIdsIsRefused) {
  const auto tokenizer = Tokenizer::train_bpe(a_text('a'), {.vocab_size = 300});
  tokenizer.save(folder_.file("tokenizer"));
  run_.tokenizer = folder_.file("tokenizer");
  go();
  const auto other =
      Tokenizer::train_bpe(a_text('a'), {.vocab_size = 300, .special_tokens = {"<|another|>"}});
  other.save(folder_.file("tokenizer"));
  expect_refused("tokenizer");
}

TEST_F(Resume, TheTokenizerIsInTheCheckpoint) {
  Tokenizer::train_bpe(a_text('a'), {.vocab_size = 300}).save(folder_.file("tokenizer"));
  run_.tokenizer = folder_.file("tokenizer");
  const std::string hash = go().weights_hash;
  std::filesystem::remove_all(folder_.file("tokenizer"));
  std::filesystem::remove(run_.out + "/tokenizer.json");
  run_.tokenizer.clear();
  EXPECT_EQ(go().weights_hash, hash);
  EXPECT_EQ(first_, 2);
}

TEST_F(Resume, OtherOptionsAreRefusedByName) {
  go();
  const TrainingRun good = run_;
  const auto other = [&](const char* what, auto change) {
    run_ = good;
    change(run_);
    expect_refused(what);
  };
  other("--seed", [](TrainingRun& r) { r.plan.seed = 5; });
  other("--batch", [](TrainingRun& r) { r.plan.batch = 3; });
  other("--lr", [](TrainingRun& r) { r.adamw.lr = 2e-3f; });
  other("--warmup", [](TrainingRun& r) { r.warmup = 1; });
  other("--schedule", [](TrainingRun& r) { r.schedule = ScheduleKind::linear; });
  other("--precision", [](TrainingRun& r) { r.plan.precision = Precision::bf16; });
  other("--dropout: expected the config's own, found 0.5", [](TrainingRun& r) { r.dropout = 0.5f; });
  other("model: expected the same config.json, found n_embd was 128",
        [](TrainingRun& r) { r.model = "micro"; });
}

TEST_F(Resume, ADropoutThatTheConfigHasAnywayIsTheSame) {
  go();
  run_.dropout = 0;
  go();
  EXPECT_EQ(first_, 2);
  run_.dropout = 0.25f;
  run_.resume = false;
  go();
  run_.resume = true;
  run_.dropout = {};
  expect_refused("--dropout: expected 0.25, found the config's own");
}

TEST_F(Resume, OtherStepsSayWhatBecomesOfTheSchedule) {
  run_.steps = 3;  // rates 1e-3, 5.5e-4, 1e-4
  run_.min_lr = 1e-4f;
  run_.schedule = ScheduleKind::linear;
  go();
  run_.steps = 5;  // rates 1e-3, 7.75e-4, 5.5e-4, 3.25e-4, 1e-4
  go();
  EXPECT_EQ(first_, 3);
  expect_said("--steps 3 -> 5");
  expect_said("learning rate at step 4 is 0.000325, not 1e-04; a run of 5 steps from its beginning would");
  go();
  EXPECT_EQ(messages_.find("note:"), std::string::npos) << messages_;  // it is the run of 5 steps now
  run_.steps = 4;
  go();
  expect_said("step 5 is done already, so --steps 4 asks for nothing");
}

TEST_F(Resume, RatesAreSaidInAllTheirDigits) {
  run_.schedule = ScheduleKind::linear;
  run_.steps = 3;
  go();
  run_.steps = 8;
  go();
  expect_said("learning rate at step 4 is " + to_text(learning_rate(run_, 3)));
}

TEST_F(Resume, RatesThatWereTheSameSayNothingOfOtherWeights) {
  run_.warmup = 4;  // longer than the run: it only rises
  go();
  run_.steps = 3;
  const RunSummary resumed = go();
  expect_said("--steps 2 -> 3: the learning rate at step 3 is 6e-04\n");
  run_.out = folder_.file("undisturbed");
  EXPECT_EQ(go().weights_hash, resumed.weights_hash);
}

TEST_F(Resume, AConstantScheduleStaysForOtherSteps) {
  run_.schedule = ScheduleKind::constant;
  go();
  run_.steps = 3;
  const RunSummary resumed = go();
  expect_said("--steps 2 -> 3: the schedule stays");
  run_.out = folder_.file("undisturbed");
  EXPECT_EQ(go().weights_hash, resumed.weights_hash);
}

TEST_F(Resume, ADamagedCheckpointGivesWayToTheOneBefore) {
  run_.steps = 3;
  run_.save_every = 1;
  const std::string hash = go().weights_hash, newest = run_.out + "/checkpoints/step-00000003";
  const auto damaged = [&](const std::string& file, auto damage) {
    damage(newest + "/" + file);
    EXPECT_EQ(go().weights_hash, hash) << file;
    EXPECT_EQ(first_, 2) << file;
    expect_said("note: " + newest + "/");
    expect_said("set aside as step-00000003.damaged, the run goes on from the checkpoint before\n");
    expect_said("resumed from " + run_.out + "/checkpoints/step-00000002");
    EXPECT_FALSE(std::filesystem::exists(newest + ".damaged"));  // there is a whole one of its step
  };
  const auto cut = [](const std::string& file) { std::filesystem::resize_file(file, 100); };
  const auto alter = [](const std::string& file) {
    std::fstream(file, std::ios::in | std::ios::out).seekp(200).put('\1');
  };
  const auto remove = [](const std::string& file) { std::filesystem::remove(file); };
  for (const char* file : {"model.safetensors", "optimizer.safetensors", "config.json", "state.json",
                           "tokenizer.json", "checksums"}) {
    damaged(file, cut);
    damaged(file, alter);
    damaged(file, remove);
  }
}

TEST_F(Resume, ADamagedCheckpointStaysUntilThereIsALaterOne) {
  run_.steps = 6;
  run_.save_every = 2;
  run_.keep_checkpoints = 9;
  const std::string hash = go().weights_hash, of = run_.out + "/checkpoints/step-0000000";
  for (const char* step : {"4", "6"}) std::filesystem::remove(of + step + "/state.json");
  std::filesystem::create_directories(of + "1.tmp/x");  // of a save that was killed
  run_.on_step = [&](const StepEvent& e) {
    EXPECT_TRUE(std::filesystem::exists(of + "6.damaged")) << e.step;
  };
  EXPECT_EQ(go().weights_hash, hash);
  EXPECT_EQ(first_, 2);
  for (const char* gone : {"1.tmp", "4.damaged", "6.damaged"})
    EXPECT_FALSE(std::filesystem::exists(of + gone));
  for (const char* there : {"2", "4", "6"}) EXPECT_TRUE(std::filesystem::exists(of + there)) << there;
}

TEST_F(Resume, WithoutAWholeCheckpointNothingIsTouched) {
  run_.save_every = 1;
  go();
  for (const char* step : {"1", "2"})
    std::ofstream(run_.out + "/checkpoints/step-0000000" + step + "/state.json") << "{";
  for (int again = 0; again < 2; ++again) {
    const std::string message = error_of(ErrorKind::input, [&] { go(); });
    EXPECT_NE(message.find("step-00000002/state.json"), std::string::npos) << message;
    EXPECT_NE(message.find("no other checkpoint is whole"), std::string::npos) << message;
  }
}

TEST_F(Resume, AsManyCheckpointsStayAsAreAskedFor) {
  run_.steps = 5;
  run_.save_every = 1;
  for (const std::int64_t keep : {1, 3}) {
    run_.resume = false;
    run_.keep_checkpoints = keep;
    go();
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(run_.out + "/checkpoints"))
      names.push_back(entry.path().filename().string());
    EXPECT_EQ(static_cast<std::int64_t>(names.size()), keep);
    EXPECT_EQ(std::ranges::max(names), "step-00000005");
  }
  run_.keep_checkpoints = 1;  // of a run that has done its steps
  run_.resume = true;
  go();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(run_.out + "/checkpoints"), {}), 1);
  run_.keep_checkpoints = 0;
  error_of(ErrorKind::usage, [&] { go(); });
}

TEST_F(Resume, AnotherInstructionSetIsNotedWhereItsBitsDiffer) {
  const auto changes = [&](Precision precision, const char* was, const char* isa) {
    run_.plan.precision = precision;
    run_.plan.isa = isa;
    const Text text(run_.data);
    const Trainer trainer(plan_of(run_));
    RunIdentity::Notes notes = RunIdentity(run_, trainer, text_data(run_, text)).notes();
    notes["isa"] = was;
    return RunIdentity(run_, trainer, text_data(run_, text)).changes(notes, 1).size();
  };
  EXPECT_EQ(changes(Precision::f32, "avx512", "portable"), 1u);
  EXPECT_EQ(changes(Precision::bf16, "avx512", "portable"), 1u);
  EXPECT_EQ(changes(Precision::bf16, "portable", "portable"), 0u);
}

TEST(TextDigest, IsOfTheTokensWhereverTheyAreKept) {
  const TemporaryFolder folder;
  const std::string path = folder.write("text.txt", a_text('a'));
  write_token_shards(path, Tokenizer::bytes(), folder.file("shards"));
  const std::string digest = Text(path).digest();
  EXPECT_EQ(Text(folder.file("shards")).digest(), digest);
  EXPECT_EQ(Text::of(a_text('a')).digest(), digest);
  EXPECT_NE(Text::of(a_text('b')).digest(), digest);
}

}  // namespace
}  // namespace hone
