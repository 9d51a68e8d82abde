#include <stdexcept>
#include <utility>

#include "base/float_mode.hpp"
#include "op/builder_nodes.hpp"
#include "op/inputs.hpp"

namespace hone {

using namespace builder;

Network language_model(Architecture architecture) {
  if (!architecture) return {};
  return [write = std::move(architecture)](Builder& b) -> Outputs {
    const Tensor tokens = b.tokens(), logits = write(b, tokens);
    if (!logits.builder()) return {{"logits", logits}};  // refused by whoever called
    const auto shape = logits.shape();
    if (shape.size() == 3 && shape[0] == b.batch() && shape[1] == b.seq()) return {{"logits", logits}};
    const BuilderState& state = *tokens.builder();
    throw Error(ErrorKind::input,
                {.what = "the architecture's result is not logits",
                 .where = state.program[TensorId{logits.id()}].name,
                 .expected = "[" + std::to_string(b.batch()) + "," + std::to_string(b.seq()) + ",V]",
                 .found = to_string(type_of(logits).shape)});
  };
}

namespace {

Tensor next_labels(const Builder& b, Tensor logits) {
  BuilderState& state = state_of(logits, "labels");
  const InputInfo info{.meaning = Meaning::labels, .below = b.vocab_size()};
  return {&state, state.input(input::labels, {{b.batch(), b.seq()}, DType::i32}, info).value};
}

}  // namespace

Objective next_token(CrossEntropyOptions options) {
  return [options](Builder& b, const Outputs& outputs) -> std::vector<LossTerm> {
    const auto logits = outputs.find("logits");
    if (logits == outputs.end())
      throw Error(ErrorKind::usage,
                  {.what = "the network has no logits, so it predicts no next token",
                   .expected = "an output 'logits', or an objective of its own",
                   .found = outputs.empty() ? "no output" : "'" + outputs.begin()->first + "'"});
    return {{"loss", cross_entropy(logits->second, next_labels(b, logits->second), options)}};
  };
}

namespace {

Outputs call(const Network& network, BuilderState& state) {
  Builder builder(&state);
  Outputs outputs = network(builder);
  for (const auto& [name, tensor] : outputs)
    if (tensor.builder() != &state)
      throw Error(ErrorKind::input, {.what = "the architecture returned no tensor of its builder",
                                     .where = name,
                                     .hint = "return what it made in this call"});
  if (outputs.empty()) throw Error(ErrorKind::input, {.what = "the architecture returned no output"});
  return outputs;
}

Forward finish(BuilderState& state, const Outputs& outputs) {
  for (const auto& [name, tensor] : outputs) state.activations.try_emplace(name, TensorId{tensor.id()});
  verify(state.program);
  return {std::move(state.program), std::move(state.activations), std::move(state.asked_sizes)};
}

// An objective asks for outputs by name, by a map's own at().
std::vector<LossTerm> terms_of(const Objective& objective, Builder& builder, const Outputs& outputs) {
  try {
    return objective(builder, outputs);
  } catch (const std::out_of_range&) {
    std::string names;
    for (const auto& output : outputs) names += (names.empty() ? "" : ", ") + output.first;
    throw Error(ErrorKind::input, {.what = "the objective asks for an output that the network does not make",
                                   .expected = "one of " + names});
  }
}

// The scale of a loss that a term is, with the term's weight.
void weigh(BuilderState& state, const LossTerm& term) {
  for (const Node& node : state.program.nodes) {
    if (!node.op->loss || node.outputs[0] != TensorId{term.losses.id()}) continue;
    state.program[node.inputs[*node.op->find_input("scale")]].input.weight = term.weight;
    return;
  }
  throw Error(ErrorKind::input, {.what = "a term of the objective is no loss",
                                 .where = term.name,
                                 .expected = "what cross_entropy or another loss returned",
                                 .found = text_of(state.program[TensorId{term.losses.id()}])});
}

}  // namespace

Forward write_forward(const Network& network, const BuildOptions& options) {
  const FloatModeGuard guard;  // scales and deviations are computed while the architecture is written down
  BuilderState state;
  state.options = options;
  const Outputs outputs = call(network, state);
  for (const auto& [name, tensor] : outputs) state.program.outputs.emplace_back(TensorId{tensor.id()}, name);
  return finish(state, outputs);
}

Forward write_forward(const Network& network, const Objective& objective, const BuildOptions& options,
                      const std::vector<std::string>& keep_outputs) {
  const FloatModeGuard guard;
  BuilderState state;
  state.options = options;
  const Outputs outputs = call(network, state);
  Builder builder(&state);
  state.in_objective = true;
  const std::vector<LossTerm> terms = terms_of(objective, builder, outputs);
  if (terms.empty()) throw Error(ErrorKind::input, {.what = "the objective has no term"});
  for (const LossTerm& term : terms) {
    if (term.losses.builder() != &state) refuse_foreign(term.name);
    if (state.program.output(term.name) || term.name.empty())
      throw Error(ErrorKind::input,
                  {.what = "a term of the objective needs a name of its own", .where = term.name});
    weigh(state, term);
    state.program.outputs.emplace_back(TensorId{term.losses.id()}, term.name);
  }
  for (const std::string& name : keep_outputs)
    state.program.outputs.emplace_back(TensorId{outputs.at(name).id()}, name);
  return finish(state, outputs);
}

}  // namespace hone
