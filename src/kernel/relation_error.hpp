// How positions of a sequence are related, against a teacher's (Wang et al., "MiniLMv2", arXiv 2012.15828):
// of queries, keys or values x [B,T,W], cut into `heads` of d = W / heads numbers whoever made them, the
// relation of position t to j is softmax over j of x_t x_j / sqrt(d). The loss of position t is the mean over
// the heads of KL(teacher || student). Widths of teacher and student may differ; their number of heads here
// is the same, and that of their attention does not matter.
//
// The scores are symmetric, so a row of the gradient needs no other row's but its normaliser:
//   dx_t = scale / heads / sqrt(d) * sum over j of (c_tj + c_jt) x_j,
//   c_tj = p_tj - q_tj where t sees j and counts, else 0, with p the student's and q the teacher's.
#pragma once
#include <cstdint>

#include "base/thread_pool.hpp"
#include "kernel/element.hpp"
#include "machine/isa.hpp"

namespace hone::kernel {

struct Relations {
  std::int64_t B = 0, T = 0, W = 0, target_W = 0, heads = 1;
  bool causal = true;  // t sees up to t; else all
  In x;
  std::int64_t stride = 0;               // of x's rows
  const float* target = nullptr;         // [B,T,target_W]
  const std::int32_t* labels = nullptr;  // [B,T]; a row whose label is ignored has no loss
};
struct RelationError {
  Relations relations;
  float* loss = nullptr;                          // [B,T]
  float *x_lse = nullptr, *target_lse = nullptr;  // [B,heads,T]: logarithms of the softmaxes' sums
};
struct RelationErrorGradient {
  Relations relations;
  const float *x_lse = nullptr, *target_lse = nullptr;
  const float* scale = nullptr;  // one value
  Out d;                         // x's type
  std::int64_t d_stride = 0;
};

std::int64_t scratch_bytes(const Relations&, int threads);  // of either
void run(const RelationError&, Isa, ThreadPool&, void* scratch);
void run(const RelationErrorGradient&, Isa, ThreadPool&, void* scratch);

}  // namespace hone::kernel
