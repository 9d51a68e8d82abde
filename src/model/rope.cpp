#include "model/rope.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "model/config_keys.hpp"

namespace hone {
namespace {

using Json = nlohmann::json;
using Frequencies = std::vector<float>;

// One kind of scaling: what it makes of the plain frequencies, or of theta.
class Kind {
 public:
  Kind(const Json& parameters, const RopeContext& context) : p_(parameters), c_(context) {
    theta_ = number("rope_theta");
    if (theta_ <= 1) refuse("rope_theta", "a number above 1");
  }

  Rope plain() const { return {.frequencies = by_theta(), .long_frequencies = {}}; }

  // Of which nothing is seen up to max_position_embeddings; that its factor is said is asked all the same.
  Rope dynamic() const {
    factor();
    return plain();
  }

  // Chen et al., 2023, "Extending context window of large language models via positional interpolation"
  Rope linear() const {
    Rope rope = plain();
    for (float& f : rope.frequencies) f /= static_cast<float>(factor());
    return rope;
  }

  // Llama 3.1: slow turns are stretched, fast ones stay, what lies between is mixed.
  Rope llama3() const {
    const auto original = static_cast<float>(original_positions()), by = static_cast<float>(factor());
    const auto low = static_cast<float>(number("low_freq_factor")),
               high = static_cast<float>(number("high_freq_factor"));
    if (!(low > 0 && high > low)) refuse("high_freq_factor", "above low_freq_factor, and that above 0");
    Rope rope = plain();
    for (float& f : rope.frequencies) {
      const float wavelength = static_cast<float>(2 * std::numbers::pi) / f;
      const bool slow = wavelength > original / low, fast = wavelength < original / high;
      const float smooth = (original / wavelength - low) / (high - low);
      if (slow) f /= by;
      if (!slow && !fast) f = (1 - smooth) * f / by + smooth * f;
    }
    return rope;
  }

  // Peng et al., 2023, "YaRN: Efficient context window extension of large language models"
  Rope yarn() const {
    const std::int64_t original = original_positions();
    if (!p_.contains("factor")) refuse("factor", "a number, or null: positions over original ones");
    const double by = p_.value("factor", Json()).is_null()
                          ? static_cast<double>(c_.positions) / static_cast<double>(original)
                          : factor();
    const auto [low, high] = yarn_range(static_cast<double>(original));
    Rope rope = plain();
    for (std::size_t d = 0; d < rope.frequencies.size(); ++d) {
      const float wave = power(2 * static_cast<std::int64_t>(d));
      const float keep = 1 - std::clamp((static_cast<float>(d) - low) / (high - low), 0.0f, 1.0f);
      rope.frequencies[d] = 1 / (static_cast<float>(by) * wave) * (1 - keep) + 1 / wave * keep;
    }
    rope.factor = static_cast<float>(yarn_factor(by));
    return rope;
  }

  // Ding et al., 2024, "LongRoPE: Extending LLM context window beyond 2 million tokens"
  Rope longrope() const {
    Rope rope{.frequencies = stretched("short_factor"), .long_frequencies = stretched("long_factor")};
    rope.original = original_positions();
    const auto original = static_cast<double>(rope.original);
    const double by = optional("factor", static_cast<double>(c_.positions) / original);
    const double usual = by <= 1 ? 1 : std::sqrt(1 + std::log(by) / std::log(original));
    rope.factor = static_cast<float>(optional("attention_factor", usual));
    if (!(rope.factor > 0)) refuse("attention_factor", "above 0");
    return rope;
  }

 private:
  [[noreturn]] void refuse(const char* key, const std::string& expected) const {
    refuse_key(c_.where, std::string("rope_parameters.") + key, expected,
               p_.contains(key) ? p_[key].dump() : "nothing");
  }
  double number(const char* key) const {
    if (!p_.contains(key) || !p_[key].is_number()) refuse(key, "a number");
    const auto value = p_[key].get<double>();
    if (!std::isfinite(static_cast<float>(value)) || value < 0) refuse(key, "0 or more, in the range of f32");
    return value;
  }
  double optional(const char* key, double missing) const {
    return !p_.contains(key) || p_[key].is_null() ? missing : number(key);
  }
  double factor() const {
    const double by = number("factor");
    if (by < 1) refuse("factor", "1 or more");
    return by;
  }
  std::int64_t original_positions() const {
    constexpr const char* key = "original_max_position_embeddings";
    return !p_.contains(key) || p_[key].is_null() ? c_.positions : positive_key(p_, key, c_.where);
  }

  float power(std::int64_t d) const {
    return std::pow(static_cast<float>(theta_), static_cast<float>(d) / static_cast<float>(c_.head_dim));
  }
  Frequencies by_theta() const {
    Frequencies all;
    for (std::int64_t d = 0; d < c_.head_dim; d += 2) all.push_back(1 / power(d));
    return all;
  }
  Frequencies stretched(const char* key) const {
    const Json factors = p_.value(key, Json());
    const auto good = [](const Json& f) { return f.is_number() && f.get<double>() > 0; };
    if (!factors.is_array() || std::ssize(factors) != c_.head_dim / 2 || !std::ranges::all_of(factors, good))
      refuse_key(c_.where, std::string("rope_parameters.") + key,
                 std::to_string(c_.head_dim / 2) + " numbers above 0, one a pair",
                 factors.is_array() ? std::to_string(factors.size()) + " values" : "no list");
    Frequencies all;
    for (std::int64_t d = 0; d < c_.head_dim; d += 2)
      all.push_back(1 / (factors[static_cast<std::size_t>(d / 2)].get<float>() * power(d)));
    return all;
  }

  // From which pair to which the stretching sets in: those that turn beta_fast to beta_slow times in the
  // original context.
  std::pair<float, float> yarn_range(double original) const {
    const auto dim = static_cast<double>(c_.head_dim);
    const auto pair_of = [&](const char* key, double missing) {
      const double turns = optional(key, missing) > 0 ? optional(key, missing) : missing;
      return dim * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta_));
    };
    double low = pair_of("beta_fast", 32), high = pair_of("beta_slow", 1);
    if (flag_key(p_, "truncate", true, c_.where)) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0), high = std::min(high, dim - 1);
    return {static_cast<float>(low), static_cast<float>(low == high ? high + 0.001 : high)};
  }

  // Section 3.4 of YaRN's paper; DeepSeek's two scales of it.
  double yarn_factor(double by) const {
    const auto scale = [by](double m) { return by <= 1 ? 1 : 0.1 * m * std::log(by) + 1; };
    const double mscale = optional("mscale", 0), all = optional("mscale_all_dim", 0);
    const double usual = mscale > 0 && all > 0 ? scale(mscale) / scale(all) : scale(1);
    const double given = optional("attention_factor", usual);
    if (!(given > 0)) refuse("attention_factor", "above 0");
    return given;
  }

  const Json& p_;
  const RopeContext& c_;
  double theta_;
};

struct NamedKind {
  const char* name;
  Rope (Kind::*make)() const;
};
// "dynamic" stretches as a sequence grows beyond max_position_embeddings, which is hone's limit: up to there
// it is plain.
constexpr NamedKind kinds[] = {{"default", &Kind::plain},   {"linear", &Kind::linear},
                               {"dynamic", &Kind::dynamic}, {"yarn", &Kind::yarn},
                               {"llama3", &Kind::llama3},   {"longrope", &Kind::longrope}};

}  // namespace

Json rope_parameters(const Json& config, double theta, const std::string& where) {
  Json p = Json::object();
  for (const char* key :
       {"rope_scaling", "rope_parameters"}) {  // as Transformers: the first that is not empty
    if (!config.contains(key) || config[key].is_null() || config[key].empty()) continue;
    if (!config[key].is_object()) refuse_key(where, key, "an object", config[key].dump());
    p = config[key];
    break;
  }
  if (!p.contains("rope_theta")) p["rope_theta"] = config.value("rope_theta", Json());
  if (p["rope_theta"].is_null()) p["rope_theta"] = theta;
  for (const char* key : {"original_max_position_embeddings", "partial_rotary_factor"})
    if (config.contains(key) && !config[key].is_null()) p[key] = config[key];
  return p;
}

Rope make_rope(const Json& p, const RopeContext& context) {
  const Json type = p.value("rope_type", p.value("type", Json("default")));
  if (p.value("partial_rotary_factor", Json(1)) != 1)
    refuse_key(context.where, "partial_rotary_factor", "1: these families rotate whole heads",
               p["partial_rotary_factor"].dump());
  std::string names;
  for (const NamedKind& kind : kinds) {
    if (type == kind.name) return (Kind(p, context).*kind.make)();
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
  }
  refuse_key(context.where, "rope_type", names, type.dump());
}

}  // namespace hone
