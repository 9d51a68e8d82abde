#include "train/step_counts.hpp"

namespace hone {
namespace {

// step() counts the labels, but a micro-batch does not know of the others.
void require_all_count(const std::string& input, std::int64_t counted, std::int64_t all) {
  if (counted == all) return;
  throw Error(ErrorKind::usage,
              {.what = "some labels do not count (-100), and how many do in the whole step is not said",
               .where = "Trainer::accumulate",
               .expected = "the counts of the step, or labels that all count",
               .found = std::to_string(counted) + " of " + std::to_string(all) + " in '" + input + "'",
               .hint = "accumulate(part, trainer.label_counts(whole)) divides as step(whole) does"});
}

}  // namespace

LabelCounts step_counts(const Program& program, std::int64_t sequences, const Samples& part,
                        const std::map<std::string, std::int64_t>& said) {
  LabelCounts counts;
  const LabelCounts here = count_labels(program, part);
  for (const auto& [input, counted] : here) {
    const std::string name = input.substr(1);  // without '$'
    const auto found = said.find(name);
    const std::int64_t count = found == said.end() ? 0 : found->second;
    if (count < 0)
      throw Error(ErrorKind::usage, {.what = "the labels of a step cannot be negative",
                                     .where = "Trainer::accumulate",
                                     .expected = "0 (all of the batch) or more",
                                     .found = std::to_string(count)});
    const TensorDef& labels = program[program.input(input)];
    const std::int64_t each = labels.type.shape.elements() / labels.type.shape[0];
    if (count == 0) require_all_count(name, counted, part.count() * each);
    counts[input] = count ? count : sequences * each;
  }
  return counts;
}

}  // namespace hone
