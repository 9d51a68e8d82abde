// Rows of activations as codes, as products in whole numbers read them.
#pragma once
#include <cstdint>
#include <vector>

#include "kernel/coded_product.hpp"

namespace hone::kernel {

struct Codes {
  std::int64_t K;
  std::vector<std::int8_t> codes;
  std::vector<float> scales;
  std::vector<std::int32_t> sums;

  Codes(const std::vector<float>& x, std::int64_t K_, Isa isa) : Codes(x, K_, K_, isa) {}
  // Rows of `width`, with zeros up to K.
  Codes(const std::vector<float>& x, std::int64_t width, std::int64_t K_, Isa isa) : K(K_) {
    const std::int64_t count = std::ssize(x) / width, all = count * K;
    codes.resize(static_cast<std::size_t>(all)), scales.resize(codes.size() / 16);
    sums.resize(codes.size() / 32);
    ThreadPool pool(2);
    code_rows({x.data(), Element::f32}, width, width, count, rows(), isa, pool);
  }
  RowCodes rows() { return {K, codes.data(), scales.data(), sums.data()}; }
};

}  // namespace hone::kernel
