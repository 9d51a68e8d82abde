#include "pass/pipeline.hpp"

#include "kernel/element.hpp"

namespace hone {
namespace {

using Options = PipelineOptions;

bool trains(const Options& o) { return o.use == Options::Use::train; }
bool generates(const Options& o) { return o.use == Options::Use::generate; }
bool has_loss(const Options& o) { return !generates(o); }
bool marks_hits(const Options& o) { return o.hits; }
bool has_cores(const Options& o) { return !o.cores.empty(); }
bool has_stored(const Options& o) { return !o.stored.empty(); }
bool rounds(const Options& o) { return !o.rounded.empty(); }
bool narrows(const Options& o) { return o.products != DType::f32; }
bool casts_at_use(const Options& o) { return o.cast_at_use; }

bool evaluates_in_int8(const Options& o) { return o.use == Options::Use::evaluate && o.int8; }
bool generates_in_int8(const Options& o) { return generates(o) && o.int8; }

bool zeros_stay(const Options& o) { return trains(o) && o.keep_zeros; }

bool in_backward(const Options& o) { return trains(o) && o.update_in_backward; }

// Rows of other lengths would need a table of places.
bool may_keep_rows(const Options& o) { return trains(o) && o.longest == 0; }

// Programs of other lengths would count other pieces.
bool sums_in_bf16(const Options& o) {
  return trains(o) && o.bf16_weights && o.update.optimizer->reads_bf16_gradients &&
         o.longest <= kernel::piece_positions;
}

struct Stage {
  bool (*wanted)(const Options&);  // null: always
  void (*run)(Program&, const Options&);
};

// Backward follows from what autocast wrote; fusion from both. Chunks come late, for they multiply nodes;
// products in eight bits behind them, since a head is a linear() there.
constexpr Stage stages[] = {
    {trains, [](Program& p, const Options& o) { keep_activations(p, o.keep, o.batch); }},
    {marks_hits, [](Program& p, const Options&) { mark_hits(p); }},
    {has_cores, [](Program& p, const Options& o) { table_cores(p, o.cores); }},
    {has_stored, [](Program& p, const Options& o) { keep_stored(p, o.stored, o.stored_only); }},
    {rounds, [](Program& p, const Options& o) { round_weights(p, o.rounded); }},
    {narrows, [](Program& p, const Options& o) { autocast(p, o.products); }},
    {trains, [](Program& p, const Options&) { differentiate(p); }},
    {may_keep_rows, [](Program& p, const Options& o) { keep_embedding_rows(p, o.batch); }},
    {generates, [](Program& p, const Options&) { last_row_only(p); }},
    {nullptr, [](Program& p, const Options&) { fuse(p); }},
    {generates, [](Program& p, const Options& o) { code_products(p, o.sparse); }},
    {generates_in_int8, [](Program& p, const Options&) { int8_products(p); }},
    {generates,
     [](Program& p, const Options& o) { o.alike_rows > 0 ? few_rows_up_to(p, o.alike_rows) : few_rows(p); }},
    {generates, [](Program& p, const Options& o) { block_products(p, o.sparse); }},
    {has_loss, [](Program& p, const Options& o) { chunk_loss(p, {.rows = o.loss_rows}); }},
    {evaluates_in_int8, [](Program& p, const Options&) { code_products(p); }},
    {evaluates_in_int8, [](Program& p, const Options&) { int8_products(p); }},
    {[](const Options& o) { return o.bf16_weights; }, [](Program& p, const Options&) { hold_in_bf16(p); }},
    {casts_at_use, [](Program& p, const Options&) { cast_at_use(p); }},
    {trains, [](Program& p, const Options&) { join_gradients(p); }},
    {zeros_stay, [](Program& p, const Options&) { keep_zeros(p); }},
    {sums_in_bf16, [](Program& p, const Options& o) { sum_in_bf16(p, o.batch); }},
    {trains, [](Program& p, const Options& o) { append_norm(p, o.products == DType::f16); }},
    {trains, [](Program& p, const Options& o) { append_update(p, o.update); }},
    {in_backward, [](Program& p, const Options&) { update_in_backward(p); }},
};

}  // namespace

void run_pipeline(Program& p, const PipelineOptions& o) {
  for (const Stage& stage : stages) {
    if (stage.wanted && !stage.wanted(o)) continue;
    stage.run(p, o);
    remove_dead(p);
    verify(p);
  }
}

}  // namespace hone
