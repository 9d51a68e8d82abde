// The factorizations that compression needs, in f64, by Eigen: this is the one place that includes it.
//
//   std::vector<double> h(k * k);                         // symmetric, positive definite
//   const auto u = inverse_factor(h, k);                  // h^-1 = u^T u
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace hone {

// The upper triangular U [n,n] of H^-1 = U^T U, rows one behind the other; none where H [n,n] is not positive
// definite. One factorization and one inversion: with the rows and columns of H in reverse, H = L L^T, and U
// is L^-1 turned back.
std::optional<std::vector<double>> inverse_factor(std::span<const double> h, std::int64_t n);

// The lower triangular L [n,n] of H = L L^T; none where H is not positive definite.
std::optional<std::vector<double>> cholesky(std::span<const double> h, std::int64_t n);

// X of H X = B, H [n,n] positive definite (as symmetric), B [n,columns]; Error(input) where H is not.
std::vector<double> solve_positive(std::span<const double> h, std::span<const double> b, std::int64_t n);

// M [rows,columns] = U diag(s) V^T, s falling; U [rows,k], V [columns,k], k the smaller of both.
struct Svd {
  std::int64_t rows = 0, columns = 0, rank = 0;
  std::vector<double> u{}, s{}, v{};
};
Svd svd(std::span<const double> m, std::int64_t rows, std::int64_t columns);
// Its first `count` parts. Where they are few, by the eigenvectors of the smaller of M M^T and M^T M, which
// takes a fraction of the whole decomposition. What is below 1e-7 of the largest is noise then, and zero.
Svd leading_svd(std::span<const double> m, std::int64_t rows, std::int64_t columns, std::int64_t count);

// X of L^T X = B, for a lower triangular L [n,n] and B [n,columns].
std::vector<double> solve_transposed(std::span<const double> l, std::span<const double> b, std::int64_t n);

// H [n,n], symmetric, as its eigenvectors, columns of [n,n], by falling eigenvalues.
struct Spectrum {
  std::vector<double> values{}, vectors{};
};
Spectrum spectrum_of(std::span<const double> h, std::int64_t n);

// M M^T of M [rows,columns], or M^T M; added up in f64, a part of M at a time.
enum class Side : std::uint8_t { rows, columns };
std::vector<double> gram_of(std::span<const float> m, std::int64_t rows, std::int64_t columns, Side side);

// A B in f32, A [rows,inner] and B [inner,columns]; of A^T where `a_turned` says that A is [inner,rows].
std::vector<float> product_of(std::span<const float> a, std::span<const float> b, std::int64_t rows,
                              std::int64_t inner, std::int64_t columns, bool a_turned = false);

}  // namespace hone
