// How many multiply-adds this machine sustains: what every share that hone prints is a share of.
//
// On all threads together and over milliseconds, as a kernel runs: on two Zen 3 cores each thread's own best
// millisecond added up to 205 GFLOP/s where both together sustained 158 to 186. Neighbours slow a machine
// from one second to the next, so a bench takes samples in turns with what it measures.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "base/thread_pool.hpp"
#include "hone/machine.hpp"
#include "machine/isa.hpp"

namespace hone {

enum class Arithmetic { f32, bf16, int8 };  // bf16 and int8 products are added in f32 and int32

// 1e9 operations a second of all threads together during about so long; a multiply-add counts as two.
double sustained_gops(ThreadPool& pool, Isa isa, Arithmetic arithmetic, double seconds);

// 1e9 bytes a second at which all threads together read `memory` once, each a share of it.
double read_gb_s(ThreadPool& pool, Isa isa, std::span<const std::byte> memory);

// Of at least one sample.
Spread spread_of(std::vector<double> samples);

}  // namespace hone
