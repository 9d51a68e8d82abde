// Every op of the table against its reference: each instruction set, thread counts, f32, bf16 and f16, odd
// shapes, rows that are parts of wider ones, results that overwrite an input; guard zones around everything.
#include <algorithm>
#include <cmath>
#include <memory>

#include "op/cases.hpp"
#include "optimizer/optimizer.hpp"
#include "vector_isas.hpp"

namespace hone {
namespace {

std::vector<OpCase> cases_of(const OpRecord& op) {
  std::vector<OpCase> all;
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    add_row_cases(dtype, all);
    add_linear_cases(dtype, all);
    add_attention_cases(dtype, all);
    add_coded_cases(dtype, all);
    add_block_cases(dtype, all);
    add_int8_cases(dtype, all);
  }
  add_optimizer_cases(all);
  std::erase_if(all, [&](const OpCase& c) { return c.op != &op; });
  return all;
}

std::string describe_case(const OpCase& c, Isa isa) {
  std::string s = std::string(name(isa)) + " {" + c.attributes.to_string() + "}";
  for (const Input& in : c.inputs)
    s += " " + to_string(in.type) + (in.gap ? "+" + std::to_string(in.gap) : "");
  return s;
}

// f32 sums of up to 768 products round by a few units of 2^-24 of their terms, exp and tanh are good to 2e-6;
// a narrow result is rounded once (bf16: 2^-9, f16: 2^-12 or, of the smallest, 2^-25), and may fall to the
// other side where the f32 value is near a tie (twice that).
void expect_near(const Operand& found, const Operand& expected, double loose) {
  const std::int64_t n = expected.type.shape.elements();
  double largest = 0;
  for (std::int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(op::get(expected, i)));
  const DType dtype = expected.type.dtype;
  const double relative = dtype == DType::bf16 ? 0x1p-7 : dtype == DType::f16 ? 0x1p-10 : 4e-6;
  const double absolute = std::max(loose, 4e-6) * largest + (dtype == DType::f16 ? 0x1p-24 : 1e-30);
  for (std::int64_t i = 0; i < n; ++i) {
    const double want = op::get(expected, i);
    ASSERT_NEAR(op::get(found, i), want, relative * std::abs(want) + absolute)
        << "element " << i << " of " << n;
  }
}

class OpTable : public testing::TestWithParam<const OpRecord*> {};

TEST_P(OpTable, AgreesWithItsReference) {
  const auto cases = cases_of(*GetParam());
  ASSERT_FALSE(cases.empty()) << "an op without cases: see test/op/cases.hpp";
  for (const OpCase& c : cases) {
    const OpRun before(c, {.threads = 1, .isa = Isa::portable});
    OpRun expected(c, {.threads = 1, .isa = Isa::portable}, &before);
    expected.reference();
    for (const Isa isa : all_isas) {
      if (!cpu_has(isa) || isa < c.least) continue;
      SCOPED_TRACE(describe_case(c, isa));
      OpRun one(c, {.threads = 1, .isa = isa}, &before), three(c, {.threads = 3, .isa = isa}, &before),
          over(c, {.threads = 3, .isa = isa}, &before);
      one.run();
      three.run();
      ASSERT_NO_FATAL_FAILURE(one.expect_clean(before));
      ASSERT_NO_FATAL_FAILURE(three.expect_clean(before));
      for (std::size_t i = 0; i < one.call().out.size(); ++i) {
        SCOPED_TRACE("output " + std::to_string(i));
        ASSERT_NO_FATAL_FAILURE(expect_near(one.call().out[i], expected.call().out[i], c.loose));
        ASSERT_EQ(one.output(i), three.output(i)) << "threads change bits";
      }
      if (!over.overlay(0)) continue;
      over.run();
      ASSERT_NO_FATAL_FAILURE(over.expect_clean(before));
      for (std::size_t i = 0; i < one.call().out.size(); ++i)
        ASSERT_EQ(one.output(i), over.output(i)) << "overwriting an input changes output " << i;
    }
    if (testing::Test::HasFailure()) return;
  }
}

// All vector builds give the same bits in f32; in f16 too; in bf16 those that widen it do (doc/numerics.md).
TEST_P(OpTable, HasOneAnswerOnAllVectorInstructionSets) {
  const auto is_bf16 = [](const auto& each) { return each.type.dtype == DType::bf16; };
  for (const OpCase& c : cases_of(*GetParam())) {
    if (c.least > Isa::avx2) continue;
    const OpRun before(c, {.threads = 1, .isa = Isa::avx2});
    const auto result = [&](Isa isa) {
      auto run = std::make_unique<OpRun>(c, ExecOptions{.threads = 1, .isa = isa}, &before);
      run->run();
      return run;
    };
    if (vector_isas().size() < 2) GTEST_SKIP() << "this CPU has nothing to compare AVX2 with";
    const auto avx2 = result(Isa::avx2);
    const Call& call = avx2->call();
    const bool low = std::any_of(call.in.begin(), call.in.end(), is_bf16) ||
                     std::any_of(call.out.begin(), call.out.end(), is_bf16);
    for (const Isa isa : vector_isas()) {
      if (isa == Isa::avx2 || (low && has_bf16_products(isa))) continue;
      SCOPED_TRACE(describe_case(c, isa));
      const auto wide = result(isa);
      for (std::size_t i = 0; i < call.out.size(); ++i)
        ASSERT_EQ(avx2->output(i), wide->output(i)) << "output " << i;
    }
  }
}

std::vector<const OpRecord*> all_ops() {
  std::vector<const OpRecord*> all(op::table().begin(), op::table().end());
  for (const OptimizerRecord* record : optimizer_table())
    all.insert(all.end(), record->ops.begin(), record->ops.end());
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, OpTable, testing::ValuesIn(all_ops()),
                         [](const auto& each) { return std::string(each.param->name); });

}  // namespace
}  // namespace hone
