// A real model beside what llama.cpp computed of it: greedy texts, and the perplexity of a text.
//   real_model MODEL.gguf FACTS.json TEXT
// FACTS are recorded (tools/gguf/real_facts.py), so that nothing else is needed. Where llama.cpp's best logit
// was less than `tie` ahead of the second, either may be right: what follows such a place is not compared.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "hone/hone.hpp"

namespace {

using Ids = std::vector<std::int32_t>;

// Both code activations in eight bits, which moves logits by some tenths: the same weights in f32 write other
// texts. Of 1,280 places one differed where llama.cpp's margin was 0.27.
constexpr double tie = 0.3;

std::int32_t best_of(std::span<const float> logits) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < logits.size(); ++i)
    if (logits[i] > logits[best]) best = i;
  return static_cast<std::int32_t>(best);
}

// Where the greedy text is another one at no tie; -1: nowhere.
std::ptrdiff_t differs(hone::Generator& generator, const nlohmann::json& text) {
  const Ids prompt = text.at("prompt_ids").get<Ids>(), expected = text.at("ids").get<Ids>();
  const auto margins = text.at("margins").get<std::vector<double>>();
  generator.reset();
  generator.append(prompt);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::int32_t found = best_of(generator.logits());
    if (found != expected[i]) return margins[i] < tie ? -1 : static_cast<std::ptrdiff_t>(i);
    generator.append(std::span(&found, 1));
  }
  return -1;
}

bool greedy_texts_agree(const hone::Model& model, const nlohmann::json& facts) {
  hone::Generator generator(hone::GeneratePlan(model, {.context = 512}));
  bool good = true;
  for (const auto& text : facts.at("texts")) {
    const std::ptrdiff_t at = differs(generator, text);
    if (at < 0) continue;
    good = false;
    std::printf("other text at token %td of \"%s\"\n", at, text.at("prompt").get<std::string>().c_str());
  }
  return good;
}

bool prompts_have_their_ids(const hone::Tokenizer& tokenizer, const nlohmann::json& facts) {
  bool good = true;
  for (const auto& text : facts.at("texts")) {
    const auto prompt = text.at("prompt").get<std::string>();
    if (tokenizer.encode(prompt) == text.at("prompt_ids").get<Ids>()) continue;
    good = false;
    std::printf("other ids of \"%s\"\n", prompt.c_str());
  }
  return good;
}

bool perplexity_agrees(const hone::Model& model, const hone::Tokenizer& tokenizer, const char* path,
                       const nlohmann::json& facts) {
  const hone::Text text(path, tokenizer);
  const auto report = hone::evaluate(model, text,
                                     {.seq = facts.at("window").get<std::int64_t>(),
                                      .max_tokens = facts.at("predicted").get<std::int64_t>(),
                                      .held_out_only = false});
  const double expected = facts.at("perplexity").get<double>();
  std::printf("perplexity %.4f, llama.cpp %.4f, of %ld tokens\n", report.perplexity, expected,
              static_cast<long>(report.tokens));
  return report.tokens == facts.at("predicted").get<std::int64_t>() &&
         std::abs(report.perplexity / expected - 1) < 0.005;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fprintf(stderr, "real_model MODEL.gguf FACTS.json TEXT\n"), 2;
  const hone::Model model = hone::open(argv[1]);
  const hone::Tokenizer tokenizer = hone::Tokenizer::open(argv[1]);
  std::ifstream file(argv[2]);
  const auto facts = nlohmann::json::parse(file);
  const bool ids = prompts_have_their_ids(tokenizer, facts), texts = greedy_texts_agree(model, facts),
             perplexity = perplexity_agrees(model, tokenizer, argv[3], facts);
  return ids && texts && perplexity ? 0 : 1;
}
