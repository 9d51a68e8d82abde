// Adapters of low rank (LoRA; Hu et al., 2021, arXiv:2106.09685): y = W x + scale B (A dropout(x)) where the
// model computes y = W x. W and all else that the model has are frozen; A[rank,in] and B[out,rank] are
// trained. A begins as PEFT's does, uniform up to 1 / sqrt(in) (kaiming_uniform_ with a = sqrt(5)), B with
// zeros, so that an adapted model begins as its base.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "ir/program.hpp"

namespace hone {

// A product of a model as a module of Hugging Face's: its weight's name without ".weight".
struct LinearModule {
  std::string name;
  std::int64_t in = 0, out = 0;
  bool transposed = false;  // files keep its weight as [in,out]
  bool head = false;        // makes what the network returns
};
// The one whose weight a node multiplies by; empty where it is none, or uses some of its rows.
std::string module_of(const Program& program, const Node& node);
// Those that may have an adapter, each once; products that share a weight by rows, or with a table, are none.
std::vector<LinearModule> linear_modules(const Program& forward);

// Weights of these names alone are trained.
void freeze(Program& forward, const std::set<std::string>& but);

struct LoraModule {
  std::string name;
  std::int64_t rank = 0;
  float scale = 1;
  bool operator==(const LoraModule&) const = default;
};
// The names of a module's A and B, in programs and in PEFT's files.
std::string lora_a_name(const std::string& module);
std::string lora_b_name(const std::string& module);

// On a forward program; every module must be one of linear_modules(). dropout: of what A reads; 0 where the
// program is not one that trains. What the product is known by, and whoever reads it, gets the sum.
void add_lora(Program& program, const std::vector<LoraModule>& modules, float dropout);

}  // namespace hone
