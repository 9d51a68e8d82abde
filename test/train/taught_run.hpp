// A run that learns from a teacher which a short run has just made: tiny, on lines of numbers.
#pragma once
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "hone/training_run.hpp"
#include "temporary_folder.hpp"

namespace hone {

inline std::string lines_of_numbers() {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "line " + std::to_string(i * i % 89) + "\n";
  return text;
}

class TaughtRun : public testing::Test {
 protected:
  TaughtRun() {
    run_.model = "tiny";
    run_.data = folder_.write("text.txt", lines_of_numbers());
    run_.out = folder_.file("teacher");
    run_.tokenizer = "char";
    run_.steps = 20;
    run_.warmup = 2;
    run_.adamw.lr = 5e-3f;
    run_.plan.batch = 4;
    run_.plan.seq = 16;
    run_.plan.threads = 1;
    train(run_);
    run_.tokenizer.clear();
    run_.out = folder_.file("student");
    run_.distill = {.teacher = folder_.file("teacher"), .layers = 1};
  }

  // The weights of the same run elsewhere, killed on the way; it goes on in other pieces on more threads.
  std::string hash_after_a_kill() {
    run_.out = folder_.file("parts");
    run_.save_every = 7;
    run_.on_step = [](const StepEvent& e) {
      if (e.step == 9) throw std::runtime_error("killed");
    };
    EXPECT_THROW(train(run_), std::runtime_error);
    run_.on_step = {};
    run_.plan.micro_batch = 3;
    run_.plan.threads = 2;
    return train(run_).weights_hash;
  }

  TemporaryFolder folder_;
  TrainingRun run_;
};

}  // namespace hone
