#include "hone/verify.hpp"

#include <gtest/gtest.h>

#include "machine/isa.hpp"

namespace hone {
namespace {

class Golden : public testing::TestWithParam<Isa> {};

// Numbers of PyTorch 2.15 and Transformers 5.23 in f32; the bounds are in include/hone/verify.hpp.
TEST_P(Golden, Gpt2AgreesWithTheReferenceRun) {
  if (!cpu_has(GetParam())) GTEST_SKIP();
  const std::string folder = HONE_TEST_DATA "/models/gpt2";
  const VerifyReport r =
      verify(folder, folder + "/golden.safetensors", {.isa = std::string(name(GetParam()))});
  EXPECT_TRUE(r.ok) << "logits " << r.logits << " loss " << r.loss << " gradients " << r.gradients
                    << " losses " << r.losses << "; worst: " << r.worst;
}

INSTANTIATE_TEST_SUITE_P(Isa, Golden, testing::ValuesIn(all_isas),
                         [](const auto& each) { return std::string(name(each.param)); });

}  // namespace
}  // namespace hone
