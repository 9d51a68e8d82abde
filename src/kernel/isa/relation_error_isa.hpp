// Rows of scores between positions; see kernel/relation_error.hpp for the meaning.
#pragma once
#include <cstdint>

#include "kernel/element.hpp"
#include "machine/builds.hpp"

namespace hone::kernel {

// The positions of one sample and head: x_j is d numbers from first + j stride on.
struct RelationRows {
  In x;
  std::int64_t first, stride, d;
};

struct RelationSlopes {
  std::int64_t t, T;
  bool causal;
  const float* counts;              // of the sample's positions: 1 where a row has a loss, else 0
  const float *x_lse, *target_lse;  // of the sample's and head's positions
};

struct RelationErrorTable {
  void (*scores)(const RelationRows& rows, std::int64_t t, std::int64_t count,
                 float* to);  // x_t x_j / sqrt(d)
  float (*lse)(const float* scores, std::int64_t n);
  float (*divergence)(const float* own, const float* target, std::int64_t n, float own_lse, float target_lse);
  // own becomes c_tj + c_jt
  void (*slopes)(const RelationSlopes& s, float* own, const float* target);
  // d[first..] = scale * sum over j of c_j x_j
  void (*combine)(const RelationRows& rows, std::int64_t count, const float* c, float scale, Out d,
                  std::int64_t first);
};

HONE_BUILDS(RelationErrorTable, relation_error_table);

}  // namespace hone::kernel
