// The passes: free functions from Program to Program, each in the file of its name. Which of them a program
// goes through is one list, in pass/pipeline.cpp.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ir/program.hpp"
#include "op/core_shapes.hpp"
#include "op/sparse_parts.hpp"
#include "optimizer/optimizer.hpp"

namespace hone {

// Copies of activations that outlive a step's programs, in the states kept_name(NAME) of all the step's
// sequences. Runs on a forward program: to the passes behind it a copy is a reader like any other.
void keep_activations(Program& program, const std::map<std::string, TensorId>& kept, std::int64_t batch);
std::string kept_name(const std::string& activation);

// For evaluation, on a forward program: which rows of each term's loss have their label predicted (op hit),
// as the output hits_name(TERM).
void mark_hits(Program& program);
std::string hits_name(const std::string& term);

// Weights in the types in which their file has them (`stored`, by name), where all who read them take any
// type: computed from where they lie, not widened first. What is trained is left in f32, or not
// (`trained_too`: nothing is trained here). Runs on a forward program, in front of autocast, which lets them
// be.
void keep_stored(Program& program, const std::map<std::string, DType>& stored, bool trained_too);

// Where nothing is trained, on a forward program in front of keep_stored: tables that are kept as tensor
// trains are read by their cores, which become parameters, if all who read them can: who takes rows can, and
// of the form of low rank whoever multiplies by them.
void table_cores(Program& program, const CoreIndices& tables);

// Mixed precision: products take `narrow`, bf16 or f16; sums and norms are f32. A parameter that is an
// operand of a product gets a copy "NAME.bf16", made by a node of phase prepare; activations get casts where
// they are needed. Runs on a forward program, so that backward follows from what it wrote.
void autocast(Program& program, DType narrow);

// Backward: appends the nodes of the gradient of every loss's scaled sum with respect to every trained
// parameter. Each use of a parameter has a sum of its own, a state of Purpose::gradient.
void differentiate(Program& program);

// Joins neighbours where one kernel does both and keeps the bits: a cast into the norm that precedes it, an
// activation or a residual sum into a product, an activation's slope into the product of backward, a sum of
// gradients into the norm's gradient, a widening cast into whoever reads narrow types as well. Op records say
// what an op takes on.
void fuse(Program& program);

// A table that is also used otherwise (a tied head) need not have a second table of gradients for its use as
// an embedding: where a step has fewer rows than the table, they are kept in "rows.NAME" and added at the
// update, with the bits of the table, as states of Purpose::rows. batch: the step's samples.
void keep_embedding_rows(Program& program, std::int64_t batch);

struct ChunkOptions {
  std::int64_t rows = 512;  // positions at a time, rounded to whole sequences, or to a piece of a long one
  std::int64_t above_bytes = std::int64_t{8} << 20;  // logits smaller than this are left whole
};
// The head, the loss and their gradients by chunks of positions, so that the logits of one chunk exist at a
// time.
void chunk_loss(Program& program, const ChunkOptions& options = {});

// Where bytes are short: casts of weights become activations, made in front of their first reader, instead of
// copies that outlive programs. What recomputation does with them is its affair. Runs behind whatever looks
// for the copies of a weight, backward, and in front of the update, which then writes none.
void cast_at_use(Program& program);

// For generation, on a forward program of one sequence or of one position: the head computes the logits of
// each sequence's last position only, in f32. The program's output "logits", where it has one, becomes
// f32[B,1,V].
void last_row_only(Program& program);

// For generation: products with a quantized weight of one scale for a group (kernel/coded.hpp) are computed
// in whole numbers: what they read is coded in eight bits, once for all who read it, and the weight is laid
// out anew by a node of phase prepare (kernel/coded_product.hpp). Of those in `sparse` only what is kept is
// laid out (kernel/masked_product.hpp): their components become parameters, and the results keep their bits.
void code_products(Program& program, const SparseIndices& sparse = {});

// For generation, behind few_rows: products with those weights in `sparse` that are blocks of a floating type
// compute what is kept (kernel/block_product.hpp): their components become parameters, which a node of phase
// prepare lays out anew.
void block_products(Program& program, const SparseIndices& sparse);

// For a forward program: products with a weight are computed in whole numbers of eight bits, x and weight
// alike, with a scale a row (kernel/int8_product.hpp). What they read is quantized once for all who read it,
// where another product makes it by that; the weight by a node of phase prepare. A product whose sums could
// overflow, of K from 65536 on, stays as it is.
void int8_products(Program& program);

// For generation: products of few rows read their weight once from end to end (kernel/few_rows.hpp). Their
// sums have another shape than those of many rows, so a training program, whose rows have the same bits in
// any micro-batch, does without.
void few_rows(Program& program);
// The same up to so many rows, where each must have the bits that it would have alone.
void few_rows_up_to(Program& program, std::int64_t most);

// The sums of a parameter's uses, and rows of gradients that were kept, become one gradient: the newest
// version of the first use's sum.
void join_gradients(Program& program);

// Of matrices that no ids take rows of: gradients are zero where weights are, so that zeros stay. Runs behind
// join_gradients.
void keep_zeros(Program& program);

// Trained matrices and tables in bf16 alone, where products read bf16: they lose their f32 values, and their
// copies with them. Their gradients' sums stay f32.
void hold_in_bf16(Program& program);

// The gradients of such weights in bf16 too, for an optimizer that reads them so: sums that only nodes of
// OpRecord::bf16_sums write, of a step in which few pieces are added (a piece's addition is rounded, so of
// many the last ones would be lost). Runs behind join_gradients. batch: the step's samples.
void sum_in_bf16(Program& program, std::int64_t batch);

// The global norm of the gradients, and what they are to be multiplied by so that it is at most the input
// "clip": the states grad_norm_name and clip_scale_name. `scaled`: losses are multiplied by the input
// "scaled_by", which both take out again.
void append_norm(Program& program, bool scaled = false);
inline constexpr const char *grad_norm_name = "grad_norm", *clip_scale_name = "clip_scale";

struct UpdateOptions {
  const OptimizerRecord* optimizer = &adamw_optimizer;
  bool decay_all = false;  // weight decay on biases and norms too
};
// The optimizer's nodes for every trained parameter, and anew what is derived from them.
void append_update(Program& program, const UpdateOptions& options);
// The input that holds the scalars of `record`, one of the optimizers that `chosen` is made of.
std::string hyper_input_name(const OptimizerRecord& chosen, const OptimizerRecord& record);

// Where a step has one micro-batch and nothing needs all gradients at once: each weight's update stands right
// behind its whole gradient and its last use, in the micro-batch's phase, and gradients are activations.
// Nothing is clipped then; the norm is of sums of squares that were taken on the way, with the bits of
// append_norm's. Runs last.
void update_in_backward(Program& program);
// The first node that writes what outlives a step, a weight or an optimizer's state; size() where none does.
std::size_t first_write(const Program& program);

// The nodes of one phase as a program of its own; tensors that it shares with others are parameters and
// states.
Program cut(const Program& program, Phase phase);

}  // namespace hone
