#include "kernel/isa/attention_isa.hpp"
#include "kernel/isa/attention_product.hpp"

namespace hone::kernel::HONE_ISA {

template <class Type>
std::int64_t attention_forward_scratch(std::int64_t keys, std::int64_t D);
template <class Type>
void attention_forward(const AttentionForwardTask* tasks, std::int64_t count);
template <class Type>
std::int64_t attention_backward_scratch(std::int64_t T, std::int64_t S, std::int64_t D);
template <class Type>
void attention_backward(const AttentionBackwardTask* tasks, std::int64_t count);
std::int64_t attention_decode_scratch(std::int64_t group, std::int64_t queries, std::int64_t D);
template <class Type>
void attention_decode(const AttentionDecodeTask&);
template <class Type>
void attention_decode_finish(const AttentionDecodeTask&, std::int64_t spans);
template <class Type>
std::int64_t attention_forward_coded_scratch(std::int64_t keys, std::int64_t D);
template <class Type>
void attention_forward_coded(const AttentionForwardTask* tasks, std::int64_t count);
template <class Type>
void attention_decode_coded(const AttentionDecodeTask&);

const AttentionTable attention_table{
    {attention_forward_scratch<F32>, attention_forward_scratch<Bf16>, attention_forward_scratch<F16>},
    {attention_forward<F32>, attention_forward<Bf16>, attention_forward<F16>},
    {attention_backward_scratch<F32>, attention_backward_scratch<Bf16>, attention_backward_scratch<F16>},
    {attention_backward<F32>, attention_backward<Bf16>, attention_backward<F16>},
    attention_decode_scratch,
    {attention_decode<F32>, attention_decode<Bf16>, attention_decode<F16>},
    {attention_decode_finish<F32>, attention_decode_finish<Bf16>, attention_decode_finish<F16>},
    {attention_forward_coded_scratch<F32>, attention_forward_coded_scratch<Bf16>,
     attention_forward_coded_scratch<F16>},
    {attention_forward_coded<F32>, attention_forward_coded<Bf16>, attention_forward_coded<F16>},
    {attention_decode_coded<F32>, attention_decode_coded<Bf16>, attention_decode_coded<F16>},
};

}  // namespace hone::kernel::HONE_ISA
