// A run that learns from a teacher which a short run has just made: tiny, on lines of numbers.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "hone/training_run.hpp"
#include "temporary_folder.hpp"

namespace hone {

class TaughtRun : public testing::Test {
 protected:
  TaughtRun() {
    std::string text;
    for (int i = 0; i < 400; ++i) text += "line " + std::to_string(i * i % 89) + "\n";
    run_.model = "tiny";
    run_.data = folder_.write("text.txt", text);
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

  TemporaryFolder folder_;
  TrainingRun run_;
};

}  // namespace hone
