// Second moments against sums by hand, and what a text that is too short gets.
#include "compress/calibrate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "../temporary_folder.hpp"
#include "hone/error.hpp"

namespace hone {
namespace {

std::string letters(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>('a' + i * i % 23);
  return text;
}

std::map<std::string, std::shared_ptr<const Moments>> moments_of(const Model& model, const Text& text,
                                                                 const CalibrationOptions& o) {
  std::map<std::string, std::shared_ptr<const Moments>> all;
  calibrate(model, text, o, [&](const LayerMoments& layer) {
    for (const auto& [name, m] : layer.inputs) all[name] = m;
    return NewWeights{};
  });
  return all;
}

// What the first layer's queries read: the embedding of a token, normed. Each token by itself, so the sum is
// over the sample's tokens.
TEST(Calibrate, MomentsAreThoseOfASumByHand) {
  const Model model = preset("llama-tiny", {.vocab_size = 256, .seed = 5});
  const Text text = Text::of(letters(900));
  const std::int64_t windows = 3, seq = 32, width = 128;
  const auto all = moments_of(model, text, {.windows = windows, .seq = seq});
  std::vector<float> table(static_cast<std::size_t>(model.size("model.embed_tokens.weight")));
  model.read("model.embed_tokens.weight", table);
  std::vector<double> sum(static_cast<std::size_t>(width * width)), largest(static_cast<std::size_t>(width));
  for (std::int64_t w = 0; w < windows; ++w)
    for (const std::int32_t id : text.ids((text.train_tokens() - seq) * w / (windows - 1), seq)) {
      const float* row = table.data() + id * width;
      double squares = 0;
      for (std::int64_t i = 0; i < width; ++i) squares += static_cast<double>(row[i]) * row[i];
      const double r =
          1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);  // the norm's weight is one
      for (std::int64_t i = 0; i < width; ++i)
        largest[static_cast<std::size_t>(i)] =
            std::max(largest[static_cast<std::size_t>(i)], r * std::abs(static_cast<double>(row[i])));
      for (std::int64_t i = 0; i < width; ++i)
        for (std::int64_t j = 0; j < width; ++j)
          sum[static_cast<std::size_t>(i * width + j)] += r * row[i] * r * row[j];
    }
  const Moments& found = *all.at("model.layers.0.self_attn.q_proj.weight");
  ASSERT_EQ(found.width, width);
  EXPECT_EQ(found.positions, windows * seq);
  for (std::size_t i = 0; i < sum.size(); ++i)
    ASSERT_NEAR(found.sum[i], sum[i], 2e-4 * (1 + std::abs(sum[i]))) << i;
  ASSERT_EQ(found.largest.size(), largest.size());
  for (std::size_t i = 0; i < largest.size(); ++i)
    ASSERT_NEAR(found.largest[i], largest[i], 1e-5 * largest[i]) << i;
}

// What the file has is what was measured, also where the visitor changed weights; another model's, text's or
// sample's is refused, and so is a damaged one.
TEST(Calibrate, KeptMomentsAreThoseThatWereMeasured) {
  const TemporaryFolder folder;
  const Model model = preset("llama-tiny", {.vocab_size = 256, .seed = 5});
  const Text text = Text::of(letters(900));
  CalibrationOptions o{.windows = 3, .seq = 32};
  const auto measured = moments_of(model, text, o);
  o.kept = folder.file("moments.safetensors");
  const auto same = [&](const std::map<std::string, std::shared_ptr<const Moments>>& found) {
    ASSERT_EQ(found.size(), measured.size());
    for (const auto& [name, m] : measured) {
      EXPECT_EQ(found.at(name)->sum, m->sum) << name;
      EXPECT_EQ(found.at(name)->largest, m->largest) << name;
      EXPECT_EQ(found.at(name)->positions, m->positions);
    }
    EXPECT_EQ(found.at("model.layers.1.mlp.gate_proj.weight"), found.at("model.layers.1.mlp.up_proj.weight"));
  };
  same(moments_of(model, text, o));
  const std::string bytes = read_whole(o.kept);
  std::size_t visits = 0;
  calibrate(model, text, o, [&](const LayerMoments& layer) {
    ++visits;
    NewWeights zeros;
    for (const auto& [name, m] : layer.inputs) zeros[name].resize(static_cast<std::size_t>(model.size(name)));
    return zeros;
  });
  EXPECT_GT(visits, 2u);
  same(moments_of(model, text, o));
  EXPECT_EQ(read_whole(o.kept), bytes);  // used, not made again

  const auto refused = [&](const Model& m, const Text& t, CalibrationOptions other) {
    other.kept = o.kept;
    return error_of(ErrorKind::input, [&] { moments_of(m, t, other); });
  };
  EXPECT_NE(refused(preset("llama-tiny", {.vocab_size = 256, .seed = 6}), text, o).find("another model"),
            std::string::npos);
  EXPECT_NE(refused(model, Text::of(letters(901)), o).find("another text"), std::string::npos);
  EXPECT_NE(refused(model, text, {.windows = 2, .seq = 32}).find("another sample"), std::string::npos);
  std::string altered = bytes;
  altered[altered.size() - 5000] ^= 1;
  folder.write("moments.safetensors", altered);
  EXPECT_NE(refused(model, text, o).find("damaged"), std::string::npos);
  folder.write("moments.safetensors", bytes.substr(0, bytes.size() / 2));
  refused(model, text, o);
  folder.write("moments.safetensors", "no such file");
  refused(model, text, o);
}

TEST(Calibrate, ProductsOfOneInputShareTheirMoments) {
  const auto all = moments_of(preset("llama-tiny", {.vocab_size = 256}), Text::of(letters(900)),
                              {.windows = 2, .seq = 16});
  EXPECT_EQ(all.at("model.layers.1.mlp.gate_proj.weight"), all.at("model.layers.1.mlp.up_proj.weight"));
  EXPECT_NE(all.at("model.layers.1.mlp.gate_proj.weight"), all.at("model.layers.1.self_attn.q_proj.weight"));
  EXPECT_EQ(all.at("model.layers.1.mlp.down_proj.weight")->width, 384);
}

TEST(Calibrate, HowMuchIsComputedAtOnceChangesNothing) {
  const Model model = preset("llama-tiny", {.vocab_size = 256, .seed = 5});
  const Text text = Text::of(letters(3000));
  const CalibrationOptions many{.windows = 8, .seq = 64};
  const auto whole = moments_of(model, text, many);
  for (const std::int64_t positions : {256, 64, 1}) {
    CalibrationOptions few = many;
    few.positions = positions;
    for (const auto& [name, m] : moments_of(model, text, few)) {
      EXPECT_EQ(m->sum, whole.at(name)->sum) << name << " " << positions;
      EXPECT_EQ(m->largest, whole.at(name)->largest) << name << " " << positions;
    }
    const auto none = [](const LayerProducts&) { return LayerBytes{}; };
    EXPECT_LT(calibration_bytes(model, text, few, none), calibration_bytes(model, text, many, none));
  }
}

TEST(Calibrate, ThreadsChangeNothing) {
  const Model model = preset("tiny", {.vocab_size = 256, .seed = 2});
  const Text text = Text::of(letters(2000));
  const auto one = moments_of(model, text, {.windows = 4, .seq = 24, .threads = 1});
  const auto four = moments_of(model, text, {.windows = 4, .seq = 24, .threads = 4});
  for (const auto& [name, m] : one) EXPECT_EQ(m->sum, four.at(name)->sum) << name;
}

// With the products of the first layer at nought the second one reads what went past them.
TEST(Calibrate, LaterLayersSeeTheNewWeights) {
  const Model model = preset("llama-tiny", {.vocab_size = 256, .seed = 5});
  const Text text = Text::of(letters(900));
  const CalibrationOptions o{.windows = 2, .seq = 16};
  std::map<std::string, std::shared_ptr<const Moments>> all;
  calibrate(model, text, o, [&](const LayerMoments& layer) {
    NewWeights changed;
    for (const auto& [name, m] : layer.inputs) {
      all[name] = m;
      if (layer.name == "model.layers.0") changed[name].resize(static_cast<std::size_t>(model.size(name)));
    }
    return changed;
  });
  const auto plain = moments_of(model, text, o);
  const char* first = "model.layers.0.self_attn.q_proj.weight";
  const char* second = "model.layers.1.self_attn.q_proj.weight";
  EXPECT_EQ(all.at(first)->sum, plain.at(first)->sum);
  EXPECT_NE(all.at(second)->sum, plain.at(second)->sum);
  // Both norms have the weight one, and nothing was added between them.
  for (std::size_t i = 0; i < all.at(first)->sum.size(); ++i)
    ASSERT_NEAR(all.at(second)->sum[i], all.at(first)->sum[i], 1e-4) << i;
}

TEST(Calibrate, ATextShorterThanAWindowIsRefused) {
  const Model model = preset("tiny", {.vocab_size = 256});
  try {
    moments_of(model, Text::of("short"), {.windows = 1, .seq = 64});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::input);
    EXPECT_NE(std::string(e.what()).find("shorter than one window"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace hone
