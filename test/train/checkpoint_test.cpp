// What a checkpoint is on disk, and that it is written beside the training without a bit's difference.
#include "train/checkpoint.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "file/mapped.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t B = 4, T = 8;
const TinyGpt2 small{.layers = 1, .heads = 1, .width = 8, .vocab_size = 16, .context = T};

Trainer trainer(TrainPlanOptions options = {}) {
  options.batch = B;
  options.seq = T;
  options.threads = 1;
  return Trainer(TrainPlan(small.model(), std::move(options)));
}

void run(Trainer& t, std::int64_t until) {
  while (t.steps() < until) t.step(toy_batch(t.steps(), B, T, small.vocab_size), {.lr = 1e-2f, .clip = 1});
}

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path().string());
  return files;
}

void expect_damaged(const std::string& folder, const std::string& how) {
  try {
    require_whole_checkpoint(folder);
    ADD_FAILURE() << how << " was not met";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::input) << how << ": " << e.what();
  }
}

// Every `bits`th bit of every file, and every byte at which it may end.
void damage_everywhere(std::size_t bits, bool compress) {
  const TemporaryFolder place;
  const std::string folder = place.file("checkpoint");
  Trainer t = trainer();
  run(t, 2);
  t.save_checkpoint(folder,
                    {.notes = {{"a", "b"}}, .files = {{"tokenizer.json", "{}"}}, .compress = compress});
  require_whole_checkpoint(folder);
  for (const std::string& file : files_of(folder)) {
    const std::string whole = read_whole(file);
    std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
    const auto put = [&](std::size_t at, char c) {
      out.seekp(static_cast<std::streamoff>(at)).put(c).flush();
    };
    for (std::size_t bit = 0; bit < 8 * whole.size(); bit += bits) {
      put(bit / 8, static_cast<char>(whole[bit / 8] ^ (1 << bit % 8)));
      expect_damaged(folder, file + ", bit " + std::to_string(bit));
      put(bit / 8, whole[bit / 8]);
    }
    require_whole_checkpoint(folder);
    for (std::size_t size = whole.size(); size-- > 0;) {
      ASSERT_EQ(::truncate(file.c_str(), static_cast<off_t>(size)), 0);
      expect_damaged(folder, file + " of " + std::to_string(size) + " bytes");
    }
    fs::remove(file);
    expect_damaged(folder, file + ", removed,");
    std::ofstream(file, std::ios::binary) << whole;
  }
  require_whole_checkpoint(folder);
}

TEST(Checkpoint, AnyByteThatIsAlteredOrLackingIsMet) {
  for (const bool compress : {false, true}) damage_everywhere(9, compress);  // each of a byte's bits in turn
}
TEST(LongCheckpoint, AnyBitThatIsAlteredIsMet) { damage_everywhere(1, false); }

TEST(Checkpoint, CompressedHoldsTheSameBits) {
  const TemporaryFolder place;
  for (const std::string& optimizer : optimizers()) {
    Trainer plain = trainer({.optimizer = optimizer}), packed = trainer({.optimizer = optimizer});
    run(plain, 3);
    plain.save_checkpoint(place.file("checkpoint"), {.compress = true});
    packed.resume(place.file("checkpoint"));
    run(plain, 6);
    run(packed, 6);
    EXPECT_EQ(packed.weights_hash(), plain.weights_hash()) << optimizer;
    plain.save_checkpoint(place.file("checkpoint"));  // and the other way round, over it
    packed.resume(place.file("checkpoint"));
    EXPECT_EQ(packed.weights_hash(), plain.weights_hash()) << optimizer;
  }
}

TEST(Checkpoint, IsAModelFolder) {
  const TemporaryFolder place;
  Trainer t = trainer();
  run(t, 3);
  t.save_checkpoint(place.file("checkpoint"));
  EXPECT_EQ(open(place.file("checkpoint")).weights_hash(), t.weights_hash());
  EXPECT_TRUE(
      SafetensorsFile(place.file("checkpoint/optimizer.safetensors")).find("m.transformer.wte.weight"));
}

TEST(Checkpoint, OfAnotherOptimizerOrTaskIsRefused) {
  const TemporaryFolder place;
  trainer({.optimizer = "lion"}).save_checkpoint(place.file("checkpoint"));
  Trainer t = trainer();
  const auto message = [&] {
    return error_of(ErrorKind::usage, [&] { t.resume(place.file("checkpoint")); });
  };
  EXPECT_NE(message().find("of another optimizer: expected adamw, found lion"), std::string::npos)
      << message();
  const Objective twice = [](Builder& b, const Outputs& out) {
    const auto labels = b.input("labels", {T}, {.kind = InputKind::labels, .below = small.vocab_size});
    return std::vector<LossTerm>{{"other", cross_entropy(out.begin()->second, labels)}};
  };
  trainer({.objective = twice}).save_checkpoint(place.file("checkpoint"));
  EXPECT_NE(message().find("of another task"), std::string::npos) << message();
  trainer({.precision = Precision::fp16}).save_checkpoint(place.file("checkpoint"));
  EXPECT_NE(message().find("of another precision: expected f32, found fp16"), std::string::npos) << message();
}

// Saves under way at every instant of the steps that follow, whose checkpoints are the ones of a pause.
TEST(Checkpoint, IsWrittenBesideTheTrainingAsItWas) {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const TemporaryFolder place;
    Trainer beside = trainer({.micro_batch = 3, .precision = precision}),
            paused = trainer({.precision = precision});
    constexpr std::int64_t steps = 8;
    for (std::int64_t n = 0; n < steps; ++n) {
      const std::string name = std::to_string(n);
      beside.save_checkpoint_async(place.file("beside" + name), {.notes = {{"n", name}}});
      paused.save_checkpoint(place.file("paused" + name), {.notes = {{"n", name}}});
      run(beside, n + 1);
      run(paused, n + 1);
      beside.write("transformer.wte.weight", std::vector<float>(16 * 8, 0.01f));  // waits as an update does
      paused.write("transformer.wte.weight", std::vector<float>(16 * 8, 0.01f));
    }
    beside.await_checkpoint();
    EXPECT_EQ(beside.weights_hash(), paused.weights_hash());
    for (std::int64_t n = 0; n < steps; ++n)
      for (const std::string& file : files_of(place.file("paused" + std::to_string(n))))
        EXPECT_EQ(read_whole(place.file("beside" + std::to_string(n)) + file.substr(file.rfind('/'))),
                  read_whole(file))
            << file;
  }
}

TEST(Checkpoint, WhatEndsASaveIsThrownOnceByTheNextStep) {
  const TemporaryFolder place;
  Trainer t = trainer(), undisturbed = trainer();
  place.write("file", "x");
  t.save_checkpoint_async(place.file("file/below"));
  bool thrown = false;
  for (int n = 0; n < 2 && !thrown; ++n) {  // the first step may be faster than the error
    try {
      run(t, t.steps() + 1);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::failed);
      thrown = true;
    }
  }
  if (!thrown) error_of(ErrorKind::failed, [&] { t.await_checkpoint(); });
  t.await_checkpoint();
  run(t, 4);
  run(undisturbed, 4);
  EXPECT_EQ(t.weights_hash(), undisturbed.weights_hash());
  t.save_checkpoint_async(place.file("file/below"));  // nobody asks, and the destructor says nothing
}

TEST(Checkpoint, TellsWhenItIsOnDisk) {
  const TemporaryFolder place;
  Trainer t = trainer();
  bool published = false;
  t.save_checkpoint_async(place.file("checkpoint"), {.published = [&] {
                            require_whole_checkpoint(place.file("checkpoint"));
                            published = true;
                          }});
  t.await_checkpoint();
  EXPECT_TRUE(published);
}

}  // namespace
}  // namespace hone
