#include <array>

#include "op/product_ops.hpp"

namespace hone::op {

namespace {

constexpr std::array records{
    &embedding,
    &core_embedding,
    &embedding_gradient,
    &add_rows,
    &add,
    &cast,
    &dropout,
    &keep,
    &layer_norm,
    &layer_norm_gradient,
    &rms_norm,
    &rms_norm_gradient,
    &linear,
    &linear_input_gradient,
    &linear_weight_gradient,
    &column_sum,
    &column_largest,
    &code_rows,
    &pack_panels,
    &pack_masked,
    &coded_linear,
    &pack_strips,
    &block_linear,
    &quantize_rows,
    &pack_int8,
    &int8_linear,
    &activation,
    &activation_gradient,
    &gated,
    &gated_gradient,
    &softcap,
    &softcap_gradient,
    &scale,
    &sinusoids,
    &rotate,
    &attention,
    &attention_gradient,
    &packed_attention,
    &packed_attention_gradient,
    &cache_append,
    &cache_append_codes,
    &cached_attention,
    &source_attention,
    &cross_entropy,
    &cross_entropy_gradient,
    &soft_cross_entropy,
    &soft_cross_entropy_gradient,
    &state_error,
    &state_error_gradient,
    &relation_error,
    &relation_error_gradient,
    &likeliest,
    &hit,
    &simulate,
    &round_weight,
    &gradient_norm,
    &squares,
    &norm_of_squares,
    &accumulate,
    &keep_zeros,
};

}  // namespace

std::span<const OpRecord* const> table() { return records; }

}  // namespace hone::op
