// How far a template may go. Templates come with models from anywhere, so each has a bound on time, on what
// it builds, and on depth; where it is at work is kept for messages.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hone::jinja {

// Levels of expressions, of statements and of values within one another; of what runs within what.
inline constexpr int deepest = 64, deepest_calls = 400;

class Work {
 public:
  // `where` names the template in messages, `source` is its text.
  Work(std::string where, std::string_view source, std::size_t most)
      : where_(std::move(where)), source_(source), left_(most) {}

  // A step costs 16, a byte that is built or looked at 1.
  void spend(std::size_t bytes) {
    if (bytes > left_) too_much();
    left_ -= bytes;
  }
  void step() { spend(16); }
  void at(std::uint32_t offset) { at_ = offset; }
  std::uint32_t at() const { return at_; }

  // Error(input) at the place where the template is.
  [[noreturn]] void fail(const std::string& what, const std::string& hint = {}) const;

 private:
  [[noreturn]] void too_much() const;

  std::string where_;
  std::string_view source_;
  std::size_t left_;
  std::uint32_t at_ = 0;
};

// One level further down, as long as it lives.
class Deeper {
 public:
  Deeper(int& depth, const Work& work, int most = deepest) : depth_(depth) {
    if (depth_ >= most)
      work.fail("the chat template nests too deeply", "at most " + std::to_string(most) + " levels");
    ++depth_;
  }
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  int& depth_;
};

}  // namespace hone::jinja
