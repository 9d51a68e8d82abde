#include "run/answer_text.hpp"

#include <algorithm>
#include <utility>

namespace hone {

std::size_t whole_characters(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0u) == 0x80u) continue;  // inside a character: its first byte stands further ahead
    const std::size_t length = byte >= 0xF0 && byte < 0xF5   ? 4
                               : byte >= 0xE0 && byte < 0xF0 ? 3
                               : byte >= 0xC2 && byte < 0xE0 ? 2
                                                             : 1;
    return length > back ? text.size() - back : text.size();
  }
  return text.size();
}

std::string AnswerText::decoded(std::optional<std::int32_t> token, bool last) {
  if (token && !tokenizer_->is_special(*token)) pending_ += tokenizer_->token(*token);
  const std::size_t whole = last ? pending_.size() : whole_characters(pending_);
  std::string text = pending_.substr(0, whole);
  pending_.erase(0, whole);
  return text;
}

std::size_t AnswerText::sure() const {
  for (std::size_t at = 0; at < held_.size(); ++at) {
    const std::string_view end = std::string_view(held_).substr(at);
    if (std::ranges::any_of(stops_, [&](const std::string& stop) { return stop.starts_with(end); }))
      return at;
  }
  return held_.size();
}

std::string AnswerText::add(std::optional<std::int32_t> token, bool last) {
  if (!tokenizer_ || stopped_) return {};
  held_ += decoded(token, last);
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  stopped_ = first != std::string::npos;
  const std::size_t ready = stopped_ ? first : last ? held_.size() : sure();
  std::string text = held_.substr(0, ready);
  held_.erase(0, ready);
  return text;
}

}  // namespace hone
