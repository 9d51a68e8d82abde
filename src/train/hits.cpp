#include "train/hits.hpp"

#include <algorithm>

#include "exec/feed.hpp"
#include "kernel/cross_entropy.hpp"
#include "pass/passes.hpp"

namespace hone {

Hits count_hits(Executor& executor, std::size_t program, const std::vector<Term>& terms,
                const Samples& samples, std::span<const std::int64_t> rows) {
  Hits found;
  const auto all = static_cast<std::size_t>(samples.count());
  std::vector<char> exact(rows.empty() ? all : rows.size(), 1);
  for (const Term& term : terms) {
    if (!executor.plan().programs()[program].output(hits_name(term.name))) continue;  // it is not of logits
    const auto hits = executor.output_view<float>(program, hits_name(term.name));
    const auto labels = whole_numbers(samples.values().at(term.counts.substr(1)));
    const TensorDef& read =
        executor.plan().programs()[program][executor.plan().programs()[program].input(term.counts)];
    const auto each = static_cast<std::size_t>(read.type.shape.elements() / read.type.shape[0]);
    const std::size_t stride = labels.size() / all;
    for (std::size_t i = 0; i < exact.size() * each; ++i) {
      const std::size_t sample = rows.empty() ? i / each : static_cast<std::size_t>(rows[i / each]);
      if (labels[sample * stride + i % each] == kernel::ignored_label) continue;
      found.labels += hits[i] > 0;
      if (hits[i] == 0) exact[i / each] = 0;
    }
  }
  found.samples = std::count(exact.begin(), exact.end(), 1);
  return found;
}

}  // namespace hone
