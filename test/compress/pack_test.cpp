// Folders packed and unpacked: the same model for every reader, the same bytes again.
#include "hone/pack.hpp"

#include <gtest/gtest.h>

#include "file/safetensors.hpp"
#include "hone/convert.hpp"
#include "temporary_folder.hpp"
#include "tiny_gpt2.hpp"

namespace hone {
namespace {

class Pack : public testing::Test {
 protected:
  Pack() {
    TinyGpt2{.width = 48}.model().save(folder_.file("f32"));
    folder_.write("f32/tokenizer_config.json", "{}");
    std::filesystem::create_directories(folder_.file("f32/checkpoints"));
    convert(folder_.file("f32"), folder_.file("bf16"), {.type = "bf16"});
  }
  std::string at(const std::string& name) const { return folder_.file(name); }

  TemporaryFolder folder_;
};

TEST_F(Pack, IsTheSameModelInFewerBytes) {
  for (const char* type : {"f32", "bf16"}) {
    const PackReport r = pack(at(type), at("packed"));
    EXPECT_LT(r.bytes, r.bytes_before * (type[0] == 'f' ? 90 : 75) / 100)
        << type;  // small weights, many headers
    EXPECT_EQ(static_cast<std::uint64_t>(r.bytes),
              std::filesystem::file_size(at("packed/model.safetensors.packed")));
    EXPECT_EQ(open(at("packed")).weights_hash(), open(at(type)).weights_hash());
    EXPECT_FALSE(std::filesystem::exists(at("packed/checkpoints")));
    unpack(at("packed"), at("again"));
    for (const char* name : {"config.json", "model.safetensors"})
      EXPECT_EQ(read_whole(at("again/") + name), read_whole(at(type) + "/" + name)) << type << " " << name;
    std::filesystem::remove_all(at("packed"));
    std::filesystem::remove_all(at("again"));
  }
}

TEST_F(Pack, TakesShards) {
  open(at("f32")).save(at("shards"), {.max_shard_bytes = 100'000});
  ASSERT_TRUE(std::filesystem::exists(at("shards/model.safetensors.index.json")));
  pack(at("shards"), at("packed"));
  EXPECT_EQ(open(at("packed")).weights_hash(), open(at("f32")).weights_hash());
  pack(at("packed"), at("twice"));  // what is packed stays so
  EXPECT_EQ(open(at("twice")).weights_hash(), open(at("f32")).weights_hash());
}

TEST_F(Pack, RefusesWhatIsNoModelAndWhatIsInTheWay) {
  error_of(ErrorKind::usage, [&] { pack(at("f32"), at("bf16")); });
  error_of(ErrorKind::usage, [&] { pack(at("f32"), at("f32")); });
  std::filesystem::create_directories(at("empty"));
  error_of(ErrorKind::input, [&] { pack(at("empty"), at("new")); });
  error_of(ErrorKind::input, [&] { pack(at("nowhere"), at("new")); });
  error_of(ErrorKind::input, [&] { pack(HONE_TEST_DATA "/gguf/quantized.gguf", at("new")); });
  std::filesystem::resize_file(at("f32/model.safetensors"), 5000);
  error_of(ErrorKind::input, [&] { pack(at("f32"), at("new")); });
  EXPECT_FALSE(std::filesystem::exists(at("new")));
}

TEST_F(Pack, ADamagedByteIsToldWhereverTheModelIsRead) {
  pack(at("bf16"), at("packed"));
  const std::string path = at("packed/model.safetensors.packed");
  std::string bytes = read_whole(path);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
  folder_.write("packed/model.safetensors.packed", bytes);
  const auto read = [&] {
    const Model model = open(at("packed"));
    model.weights_hash();
  };
  EXPECT_NE(error_of(ErrorKind::input, read).find("model.safetensors.packed"), std::string::npos);
}

}  // namespace
}  // namespace hone
