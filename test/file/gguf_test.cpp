#include "file/gguf.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "hone/inspect.hpp"
#include "ir/type.hpp"
#include "kernel/blocks.hpp"
#include "op/common.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

const std::string types_file = HONE_TEST_DATA "/gguf/types.gguf";

// A file, field by field.
class Bytes {
 public:
  explicit Bytes(std::uint64_t tensors = 0, std::uint64_t keys = 0, std::uint32_t version = 3) {
    bytes_ = "GGUF";
    put(version).put(tensors).put(keys);
  }
  template <class T>
  Bytes& put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& text(const std::string& s) {
    put(std::uint64_t{s.size()});
    bytes_ += s;
    return *this;
  }
  Bytes& key(const std::string& name, GgufValueType type) {
    return text(name).put(static_cast<std::uint32_t>(type));
  }
  Bytes& tensor(const std::string& name, const std::vector<std::uint64_t>& sizes, std::uint32_t type,
                std::uint64_t offset) {
    text(name).put(static_cast<std::uint32_t>(sizes.size()));
    for (const auto size : sizes) put(size);
    return put(type).put(offset);
  }
  Bytes& data(std::size_t bytes) {
    bytes_.resize((bytes_.size() + 31) / 32 * 32 + bytes, '\1');
    return *this;
  }
  const std::string& string() const { return bytes_; }
  std::span<const std::byte> span() const { return std::as_bytes(std::span(bytes_.data(), bytes_.size())); }

 private:
  std::string bytes_;
};

void expect_refused(const Bytes& bytes, const std::string& why) {
  const std::string message = error_of(ErrorKind::input, [&] { parse_gguf(bytes.span(), "F"); });
  EXPECT_NE(message.find(why), std::string::npos) << message;
  EXPECT_EQ(message.substr(0, 1), "F") << message;
}

// Expansion is that of the gguf package, bit by bit (tools/gguf/blocks.py).
TEST(Gguf, EveryTypeExpandsAsThePackageDoes) {
  const GgufFile file(types_file);
  int types = 0;
  for (const GgufTensor& t : file.tensors()) {
    if (t.name.ends_with(".f32")) continue;
    ASSERT_EQ(t.name, t.type.name);
    ASSERT_TRUE(t.type.dtype) << t.name;
    const std::vector<std::int64_t> shape{2, 512};
    EXPECT_EQ(t.shape, shape);
    EXPECT_EQ(static_cast<std::int64_t>(t.bytes), (TensorType{{2, 512}, *t.type.dtype}).bytes());
    std::vector<float> found(2 * 512), expected(2 * 512);
    kernel::expand({file.bytes(t).data(), op::element(*t.type.dtype)}, found);
    const auto bytes = file.bytes(file.at(t.name + ".f32"));
    ASSERT_EQ(bytes.size(), expected.size() * sizeof(float));
    std::memcpy(expected.data(), bytes.data(), bytes.size());
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], expected[i]) << t.name << " " << i;
    ++types;
  }
  EXPECT_EQ(types, 13);
}

TEST(Gguf, MetadataOfEveryType) {
  const GgufFile file(types_file);
  EXPECT_EQ(file.integer("kinds.u8"), 200);
  EXPECT_EQ(file.integer("kinds.i8"), -100);
  EXPECT_EQ(file.integer("kinds.u16"), 60000);
  EXPECT_EQ(file.integer("kinds.i16"), -30000);
  EXPECT_EQ(file.integer("kinds.u32"), 4000000000);
  EXPECT_EQ(file.integer("kinds.i32"), -2000000000);
  EXPECT_EQ(file.integer("kinds.u64"), std::int64_t{1} << 40);
  EXPECT_EQ(file.integer("kinds.i64"), -(std::int64_t{1} << 40));
  EXPECT_EQ(file.number("kinds.f32"), static_cast<double>(0.1f));
  EXPECT_EQ(file.number("kinds.f64"), 0.1);
  EXPECT_EQ(file.number("kinds.i8"), -100);
  EXPECT_TRUE(file.flag("kinds.flag"));
  EXPECT_EQ(file.text("kinds.text"), "naïve\n");
  EXPECT_EQ(file.texts("kinds.texts"), (std::vector<std::string_view>{"a", "", "ü"}));
  EXPECT_EQ(file.numbers("kinds.numbers"), (std::vector<float>{0.5f, -1.5f}));
  EXPECT_EQ(file.integers("kinds.whole"), (std::vector<std::int64_t>{1, -2, 3, 4, 5}));
  EXPECT_TRUE(file.texts("absent").empty());
  EXPECT_EQ(file.integer("absent", 7), 7);
  EXPECT_NE(error_of(ErrorKind::input, [&] { file.integer("absent"); }).find("key absent"),
            std::string::npos);
  EXPECT_NE(error_of(ErrorKind::input, [&] { file.text("kinds.u8"); }).find("u8"), std::string::npos);
  EXPECT_NE(error_of(ErrorKind::input, [&] { file.at("Q4_L"); }).find("Q4_"), std::string::npos);
}

TEST(Gguf, IsListed) {
  const auto tensors = stored_tensors(types_file);
  ASSERT_EQ(tensors.size(), 26u);
  EXPECT_EQ(tensors[20].name, "Q4_K");
  EXPECT_EQ(tensors[20].dtype, "Q4_K");
  EXPECT_EQ(tensors[20].bytes, 2 * 2 * 144);
  bool found = false;
  for (const StoredValue& v : stored_metadata(types_file))
    if (v.key == "kinds.whole") {
      found = true;
      EXPECT_EQ(v.value, "1, -2, 3, 4, ... (5)");
    }
  EXPECT_TRUE(found);
}

TEST(Gguf, TakesAWholeFileAndVersion2) {
  for (const std::uint32_t version : {2u, 3u}) {
    const Bytes good = Bytes(2, 1, version)
                           .key("k", GgufValueType::u8)
                           .put(std::uint8_t{1})
                           .tensor("a", {32}, 8, 0)
                           .tensor("b", {4, 2}, 0, 64)
                           .data(96);
    const GgufIndex index = parse_gguf(good.span(), "F");
    EXPECT_EQ(index.version, version);
    ASSERT_EQ(index.tensors.size(), 2u);
    EXPECT_EQ(index.tensors[1].shape, (std::vector<std::int64_t>{2, 4}));
    EXPECT_EQ(index.tensors[1].bytes, 32u);
    EXPECT_EQ(index.tensors[1].offset, good.string().size() - 32);
  }
}

// Wherever a file is cut it is refused by its name, and nothing else happens.
TEST(Gguf, ATruncatedFileIsRefusedWhereverItEnds) {
  const std::string whole = read_whole(types_file);
  const GgufFile file(types_file);
  const auto& last = *std::max_element(file.tensors().begin(), file.tensors().end(),
                                       [](const auto& a, const auto& b) { return a.offset < b.offset; });
  const std::size_t end = last.offset + last.bytes;  // padding may follow
  for (std::size_t bytes = 0; bytes < end; bytes += bytes < 4000 ? 1 : 977) {
    const std::string message =
        error_of(ErrorKind::input, [&] { parse_gguf(std::as_bytes(std::span(whole.data(), bytes)), "F"); });
    ASSERT_FALSE(message.empty()) << bytes;
  }
}

TEST(Gguf, RefusesHeadersThatAreWrong) {
  Bytes other(0, 0, 3);
  EXPECT_NE(error_of(ErrorKind::input, [&] { parse_gguf(other.span().subspan(1), "F"); }).find("not a GGUF"),
            std::string::npos);
  expect_refused(Bytes(0, 0, 1), "version 1");
  expect_refused(Bytes(0, 0, 4), "version 4");
  expect_refused(Bytes(0, 0, 0x03000000), "byte order");
  expect_refused(Bytes(std::uint64_t{1} << 60, 0), "ends within its header");
  expect_refused(Bytes(0, std::uint64_t{1} << 60), "ends within its header");
  expect_refused(Bytes(0, 1).put(~std::uint64_t{0}).data(64), "ends within its header");
  expect_refused(Bytes(0, 2).key("k", GgufValueType::u8).put('\1').key("k", GgufValueType::u8).put('\2'),
                 "twice");
  expect_refused(Bytes(0, 1).text("k").put(std::uint32_t{13}).data(64), "type is unknown");
  expect_refused(Bytes(0, 1).text("\xff").put(std::uint32_t{0}).data(64), "no text");
  expect_refused(Bytes(0, 1).text("").put(std::uint32_t{0}).data(64), "is none");
  expect_refused(Bytes(0, 1).key("k", GgufValueType::flag).put('\2'), "neither true nor false");
  expect_refused(Bytes(0, 1).key("k", GgufValueType::text).put(std::uint64_t{1} << 63), "ends within");
  expect_refused(
      Bytes(0, 1).key("k", GgufValueType::array).put(std::uint32_t{10}).put(std::uint64_t{1} << 61).data(64),
      "ends within");
  expect_refused(Bytes(0, 1).key("general.alignment", GgufValueType::u32).put(std::uint32_t{24}),
                 "alignment");
  Bytes deep(0, 1);
  deep.key("k", GgufValueType::array);
  for (int i = 0; i < 9; ++i) deep.put(std::uint32_t{9}).put(std::uint64_t{1});
  expect_refused(deep.data(256), "nested too deep");
}

TEST(Gguf, RefusesTensorsThatAreWrong) {
  const auto one = [](const std::vector<std::uint64_t>& sizes, std::uint32_t type, std::uint64_t offset) {
    return Bytes(1).tensor("a", sizes, type, offset).data(128);
  };
  EXPECT_EQ(parse_gguf(one({32}, 0, 0).span(), "F").tensors.size(), 1u);
  expect_refused(one({32}, 0, 8), "not aligned");
  expect_refused(one({33}, 0, 0), "runs past the file's end");
  expect_refused(one({32}, 0, 32), "runs past the file's end");
  expect_refused(one({32}, 0, ~std::uint64_t{31}), "runs past the file's end");
  expect_refused(one({std::uint64_t{1} << 40, std::uint64_t{1} << 40}, 0, 0), "the shape is none");
  expect_refused(one({std::uint64_t{1} << 63, 2}, 0, 0), "the shape is none");
  expect_refused(one({0}, 0, 0), "the shape is none");
  expect_refused(one({}, 0, 0), "dimensions");
  expect_refused(one({1, 1, 1, 1, 1}, 0, 0), "dimensions");
  expect_refused(one({32}, 4, 0), "type 4");
  expect_refused(one({32}, 77, 0), "type 77");
  expect_refused(one({33}, 8, 0), "not divisible into blocks");
  expect_refused(one({128}, 12, 0), "a multiple of 256 for Q4_K");
  expect_refused(Bytes(2).tensor("a", {32}, 0, 0).tensor("a", {32}, 0, 128).data(256), "twice");
  expect_refused(Bytes(2).tensor("a", {16}, 0, 32).tensor("b", {16}, 0, 0).data(128), "overlap");
}

// What it should have been is in its first bytes, or else in its name.
TEST(Gguf, ADamagedFileIsSpokenOfAsGguf) {
  const TemporaryFolder folder;
  const std::string whole = read_whole(types_file);
  const auto said = [&](const char* name, const std::string& bytes) {
    const std::string path = folder.write(name, bytes);
    return error_of(ErrorKind::input, [&] { stored_tensors(path); });
  };
  EXPECT_NE(said("magic.gguf", "XGUF" + whole.substr(4)).find("not a GGUF file"), std::string::npos);
  EXPECT_NE(said("short.gguf", whole.substr(0, 3)).find("not a GGUF file"), std::string::npos);
  EXPECT_NE(said("empty.gguf", "").find("found an empty file"), std::string::npos);
  EXPECT_NE(said("cut", whole.substr(0, 100)).find("ends within its header"), std::string::npos);
  EXPECT_NE(said("page.gguf", "<html>").find("found a web page"), std::string::npos);
  EXPECT_NE(said("magic.safetensors", whole.substr(0, 100)).find("ends within its header"),
            std::string::npos);
  EXPECT_NE(said("other", "XGUF" + whole.substr(4)).find("header"), std::string::npos);
  const std::string safetensors = folder.write("named.gguf", std::string("\2\0\0\0\0\0\0\0{}", 10));
  EXPECT_TRUE(stored_tensors(safetensors).empty()) << "what it is, is known";
}

// Nobody reads gigabytes of names: a sparse file of that size, whose header never ends.
TEST(Gguf, RefusesAHeaderOfGigabytes) {
  const TemporaryFolder folder;
  const std::string path = folder.write(
      "big.gguf", Bytes(0, 1).key("k", GgufValueType::text).put(std::uint64_t{3} << 30).string());
  std::filesystem::resize_file(path, std::uint64_t{4} << 30);
  EXPECT_NE(error_of(ErrorKind::input, [&] { GgufFile{path}; }).find("longer than any may be"),
            std::string::npos);
}

}  // namespace
}  // namespace hone
