#include "train/hits.hpp"

#include <algorithm>

#include "exec/feed.hpp"
#include "kernel/cross_entropy.hpp"
#include "pass/passes.hpp"

namespace hone {

Hits count_hits(Executor& executor, std::size_t program, const std::vector<Term>& terms,
                const Samples& samples) {
  Hits found;
  std::vector<char> exact(static_cast<std::size_t>(samples.count()), 1);
  for (const Term& term : terms) {
    const auto hits = executor.output_view<float>(program, hits_name(term.name));
    const auto labels = whole_numbers(samples.values().at(term.counts.substr(1)));
    const std::size_t each = labels.size() / exact.size();
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == kernel::ignored_label) continue;
      found.labels += hits[i] > 0;
      if (hits[i] == 0) exact[i / each] = 0;
    }
  }
  found.samples = std::count(exact.begin(), exact.end(), 1);
  return found;
}

}  // namespace hone
