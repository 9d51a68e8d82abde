#include "run/answer_text.hpp"

#include <algorithm>

namespace hone {

std::string AnswerText::decoded(std::optional<std::int32_t> token, bool last) {
  std::string text = token ? decoder_->add(*token) : std::string();
  if (last) text += decoder_->finish();
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
  if (!decoder_ || stopped_) return {};
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
