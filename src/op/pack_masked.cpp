#include "ir/values.hpp"
#include "kernel/masked_product.hpp"
#include "op/common.hpp"
#include "op/panel_product.hpp"
#include "op/product_ops.hpp"
#include "op/sparse_parts.hpp"

// The components of a sparse weight of codes as the stream that coded_linear reads
// (kernel/masked_product.hpp).
namespace hone::op {
namespace {

using In = PackMaskedInputs;

SparseIndex index_of(const PackMaskedAttributes& a) { return {a.form, a.block_rows, a.weight, a.kept}; }

kernel::StreamFormat format_of(const PackMaskedAttributes& a) {
  return kernel::stream_format(index_of(a).format());
}

std::vector<OutputSpec> infer(const InferInput& i) {
  const auto a = i.attributes.as<PackMaskedAttributes>();
  if (!is_blocks(a.weight) || !kernel::has_sparse_codes(element_of(a.weight)))
    i.fail("a stream is of codes about zero", "q8_0, q8_g64, q8_g128, q4_0, q4_g64 or q4_g128",
           std::string(name(a.weight)));
  std::size_t part = 0;
  for (const SparsePartType& type : sparse_part_types(index_of(a), {a.rows, a.columns}))
    i.require(part++, type.type);
  return {{{{kernel::stream_bytes(format_of(a), a.rows, a.columns, a.kept * a.block_rows)}, DType::u8}}};
}

kernel::SparseRows rows_of(const Call& c) {
  const auto a = c.attributes.as<PackMaskedAttributes>();
  const Operand& starts = c.in[In::row_starts];
  return {index_of(a).format(),
          a.rows,
          a.columns,
          {.places = c.in[In::places].as<std::uint8_t>(),
           .row_starts = starts ? starts.as<std::int32_t>() : nullptr,
           .values = c.in[In::values].data,
           .scales = c.in[In::scales].as<std::uint16_t>()}};
}

void run(const Call& c) {
  const kernel::SparseRows rows = rows_of(c);
  const kernel::StreamFormat format = format_of(c.attributes.as<PackMaskedAttributes>());
  const std::span<std::byte> stream = bytes_of(c.out[0]);
  kernel::begin_stream(format, rows, stream);
  c.pool->run(kernel::panel_count(rows.rows()),
              [&](std::int64_t panel, int) { kernel::pack_stream(format, rows, panel, 1, stream); });
}
void reference(const Call& c) {
  const kernel::SparseRows rows = rows_of(c);
  const kernel::StreamFormat format = format_of(c.attributes.as<PackMaskedAttributes>());
  kernel::begin_stream(format, rows, bytes_of(c.out[0]));
  kernel::pack_stream(format, rows, 0, kernel::panel_count(rows.rows()), bytes_of(c.out[0]));
}

constexpr InputRecord inputs[] = {
    {.name = "places", .stored = true},
    {.name = "values", .stored = true},
    {.name = "scales", .stored = true},
    {.name = "row_starts", .kind = InputRecord::Kind::optional, .stored = true}};
constexpr Variant variants[] = {{"stream", "cpu", nullptr, nullptr, run}};

}  // namespace

const OpRecord pack_masked{.name = "pack_masked",
                           .inputs = inputs,
                           .infer = infer,
                           .cost = streaming_cost,
                           .reference = reference,
                           .variants = variants,
                           .autocast = Autocast::any};

}  // namespace hone::op
