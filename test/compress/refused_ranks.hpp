// A model's folder whose config says ranks that are none.
#pragma once
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "hone/model.hpp"
#include "temporary_folder.hpp"

namespace hone {

class RanksOfAConfig {
 public:
  RanksOfAConfig(const Model& model, std::string key) : key_(std::move(key)) {
    model.save(folder_.file("low"));
    config_ = nlohmann::json::parse(read_whole(folder_.file("low/config.json")));
  }

  // Opening the folder with `ranks` is an Error(input) that says `words`.
  void expect_refused(const std::string& ranks, const std::string& words) {
    config_[key_] = nlohmann::json::parse(ranks);
    folder_.write("low/config.json", config_.dump());
    const std::string message = error_of(ErrorKind::input, [&] { open(folder_.file("low")); });
    EXPECT_NE(message.find(words), std::string::npos) << message;
  }

 private:
  TemporaryFolder folder_;
  std::string key_;
  nlohmann::json config_;
};

}  // namespace hone
