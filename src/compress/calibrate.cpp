#include "compress/calibrate.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/arena.hpp"
#include "base/float_mode.hpp"
#include "compress/kept_moments.hpp"
#include "compress/segments.hpp"
#include "compress/weight_values.hpp"
#include "exec/feed.hpp"
#include "file/hash.hpp"
#include "file/mapped.hpp"
#include "ir/op_record.hpp"
#include "machine/memory.hpp"
#include "model/model_impl.hpp"
#include "model/model_weights.hpp"
#include "model/vocabulary.hpp"
#include "op/common.hpp"
#include "op/ops.hpp"
#include "pass/pipeline.hpp"

namespace hone {
namespace {

// The state that holds the moments of what `weight` multiplies.
std::string moments_name(const std::string& weight) { return "moments." + weight; }
std::string largest_name(const std::string& weight) { return "largest." + weight; }

bool is_product(const Program& p, const Node& node) {
  return node.op == &op::linear && p[p.root(node.inputs[op::LinearInputs::weight])].role == Role::parameter;
}
const std::string& weight_of(const Program& p, const Node& node) {
  return p[p.root(node.inputs[op::LinearInputs::weight])].name;
}

// A layer's program with nodes that add up the moments of its products' inputs, and their ranges: x^T x is
// the gradient of a weight whose y has the gradient x. `shared`: by weight, the first weight of the same
// input.
void add_moments(Program& p, std::map<std::string, std::string>& shared) {
  std::map<std::int32_t, std::string> by_input;
  const std::size_t nodes = p.nodes.size();
  for (std::size_t n = 0; n < nodes; ++n) {
    if (!is_product(p, p.nodes[n])) continue;
    const TensorId x = p.nodes[n].inputs[op::LinearInputs::x];
    const std::string weight = weight_of(p, p.nodes[n]);
    const auto [first, is_new] = by_input.emplace(x.value, weight);
    if (!shared.emplace(weight, first->second).second || !is_new) continue;
    const std::int64_t width = p[x].type.shape.last();
    const auto state = [&](const std::string& name, const Shape& shape) {
      return p.add({.name = name,
                    .type = {shape, DType::f32},
                    .role = Role::state,
                    .lifetime = Lifetime::run,
                    .purpose = Purpose::kept,
                    .of = weight});
    };
    const TensorId step = op::step_input(p), sum = state(moments_name(weight), {width, width}),
                   largest = state(largest_name(weight), {width});
    p.nodes.push_back({.op = &op::linear_weight_gradient,
                       .name = moments_name(weight),
                       .inputs = {x, x, sum, step},
                       .outputs = {add_version(p, sum)},
                       .attributes = op::SumAttributes{}});
    p.nodes.push_back({.op = &op::column_largest,
                       .name = largest_name(weight),
                       .inputs = {x, largest, step},
                       .outputs = {add_version(p, largest)}});
  }
}

// A program's weights, from the model or changed ones, in memory that lives as long as this.
struct LayerWeights {
  LayerWeights(const Model& model, const Program& program, const NewWeights& changed) {
    for (const ParameterSpec& spec : program.parameters()) {
      const auto other = changed.find(spec.name);
      weights.push_back(other == changed.end() ? model.impl().store.hold(spec) : held(other->second));
      tensors[spec.name] = weights.back()->bytes();
      names.insert(spec.name);
    }
  }
  static std::shared_ptr<const HeldWeight> held(std::span<const float> values) {
    auto own = std::make_shared<HeldWeight>(static_cast<std::int64_t>(values.size_bytes()));
    std::ranges::copy(std::as_bytes(values), own->bytes().begin());
    return own;
  }
  std::vector<std::shared_ptr<const HeldWeight>> weights;
  HeldTensors tensors;
  std::set<std::string> names;
};

// The windows of the sample, and what stands between two parts of the model, of all of them.
class Sample {
 public:
  // Without tokens, for who asks for its sizes alone.
  Sample(const Model& model, std::int64_t tokens, const CalibrationOptions& o, const std::string& path) {
    seq_ = std::min(o.seq, model.context());
    if (o.windows < 1 || seq_ < 1)
      throw Error(ErrorKind::usage,
                  {.what = "the sample is empty", .expected = "1 window of 1 token or more"});
    if (tokens < seq_)
      throw Error(ErrorKind::input, {.what = "the text is shorter than one window of the sample",
                                     .where = path,
                                     .expected = std::to_string(seq_) + " tokens in its training part",
                                     .found = std::to_string(tokens),
                                     .hint = "a longer text, or a shorter window"});
    windows_ = std::min(o.windows, tokens / seq_);
    together_ = std::max<std::int64_t>(1, std::min(windows_, o.positions / seq_));
    while (windows_ % together_ != 0) --together_;
  }
  Sample(const Model& model, const Text& text, const CalibrationOptions& o)
      : Sample(model, text.train_tokens(), o, text.path()) {
    const std::int64_t tokens = text.train_tokens();
    const std::int64_t room = tokens - seq_;
    for (std::int64_t w = 0; w < windows_; ++w) {
      const std::int64_t first = windows_ > 1 ? room * w / (windows_ - 1) : 0;
      const std::vector<std::int32_t> ids = text.ids(first, seq_);
      ids_.insert(ids_.end(), ids.begin(), ids.end());
    }
  }

  std::int64_t seq() const { return seq_; }
  std::int64_t windows() const { return windows_; }
  std::int64_t together() const { return together_; }
  std::int64_t positions() const { return windows_ * seq_; }

  // Runs a part of the model over the sample; what it leaves for others stays here, in the place of what an
  // earlier run of it left.
  void run(Executor& executor) {
    const Program& p = executor.plan().programs()[0];
    for (const Output& output : p.outputs)
      if (auto& all = between_[output.name]; !all)
        all = std::make_unique<Arena>(
            static_cast<std::size_t>(p[output.id].type.bytes() / together_ * windows_));
    for (std::int64_t at = 0; at < windows_; at += together_) {
      feed(executor, 0, inputs(p, at), {.step = {.micro = static_cast<std::int32_t>(at / together_)}});
      executor.run(0);
      for (const Output& output : p.outputs)
        std::ranges::copy(executor.output_view<float>(0, output.name),
                          windows_of(*between_.at(output.name), at).begin());
    }
  }
  // What no later part reads goes.
  void keep_only(const std::set<std::string>& names) {
    std::erase_if(between_, [&](const auto& b) { return !names.contains(b.first); });
  }

 private:
  Samples inputs(const Program& p, std::int64_t at) const {
    Samples samples(together_);
    for (const TensorId id : p.inputs()) {
      const std::string name = p[id].name.substr(1);
      if (name == "tokens") {
        samples.set(name, std::span(ids_).subspan(static_cast<std::size_t>(at * seq_),
                                                  static_cast<std::size_t>(together_ * seq_)));
      } else if (const auto found = between_.find(name); found != between_.end()) {
        samples.set(name, windows_of(*found->second, at));
      }
    }
    return samples;
  }

  // Those from `at` on that are run together.
  std::span<float> windows_of(const Arena& all, std::int64_t at) const {
    const std::size_t each = all.size() / sizeof(float) / static_cast<std::size_t>(windows_);
    return std::span(reinterpret_cast<float*>(all.data()), all.size() / sizeof(float))
        .subspan(static_cast<std::size_t>(at) * each, static_cast<std::size_t>(together_) * each);
  }

  std::int64_t seq_ = 0, windows_ = 0, together_ = 1;
  std::vector<std::int32_t> ids_;
  std::map<std::string, std::unique_ptr<Arena>> between_;  // memory of its own: it goes back whole
};

Program forward_program(const Model& model, const Sample& sample) {
  Forward forward = model.impl().write({.batch = sample.together(), .seq = sample.seq()});
  run_pipeline(forward.program, {.use = PipelineOptions::Use::evaluate});
  return std::move(forward.program);
}

// The moments that a run has added up, by all weights that multiply the same input.
std::map<std::string, std::shared_ptr<const Moments>> moments_of(
    Executor& executor, const std::map<std::string, std::string>& shared, std::int64_t positions) {
  std::map<std::string, std::shared_ptr<const Moments>> all;
  std::map<std::string, std::shared_ptr<const Moments>> by_first;
  for (const auto& [weight, first] : shared) {
    auto& made = by_first[first];
    if (!made) {
      const auto sum = executor.view<float>(moments_name(first)),
                 largest = executor.view<float>(largest_name(first));
      made = std::make_shared<Moments>(
          Moments{.width = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(sum.size())))),
                  .positions = positions,
                  .sum = {sum.begin(), sum.end()},
                  .largest = {largest.begin(), largest.end()}});
    }
    all[weight] = made;
  }
  return all;
}

void require_finite_inputs(const Model& model, const LayerMoments& layer) {
  for (const auto& [weight, moments] : layer.inputs)
    for (const float square : moments->squares()) {
      if (std::isfinite(square)) continue;
      require_finite(model);  // a damaged weight is the better thing to name
      throw Error(ErrorKind::input, {.what = "the model's activations are not finite",
                                     .where = "what " + weight + " multiplies",
                                     .hint = "the model diverged in training, or the text is far from it"});
    }
}

// What parts from `first` on read of those before them; of each, for every part knows all tensors.
std::set<std::string> needed_from(const std::vector<Segment>& segments, std::size_t first) {
  std::set<std::string> names;
  for (std::size_t s = first; s < segments.size(); ++s) {
    const Program& p = segments[s].program;
    for (const Node& node : p.nodes)
      for (const TensorId id : node.inputs)
        if (id && p[p.root(id)].role == Role::input) names.insert(p[p.root(id)].name.substr(1));
  }
  return names;
}

}  // namespace

std::vector<float> Moments::squares() const {
  std::vector<float> all(static_cast<std::size_t>(width));
  for (std::int64_t i = 0; i < width; ++i) all[static_cast<std::size_t>(i)] = at(i, i);
  return all;
}

namespace {

using Visit = std::function<NewWeights(const LayerMoments&)>;

void measure(const Model& model, Sample& sample, const std::vector<Segment>& segments,
             const CalibrationOptions& o, const Visit& visit) {
  const ExecOptions options = exec_options(o.threads, o.isa);
  for (std::size_t s = 0; s < segments.size(); ++s) {
    Program plain = segments[s].program, measured = plain;
    std::map<std::string, std::string> shared;
    add_moments(measured, shared);
    remove_dead(measured), remove_dead(plain);
    verify(measured);
    LayerMoments layer{.name = segments[s].name, .program = &segments[s].program};
    {
      const LayerWeights weights(model, measured, {});
      Executor executor(JobPlan({measured}, options, weights.names), weights.tensors);
      sample.run(executor);
      layer.inputs = moments_of(executor, shared, sample.positions());
    }
    require_finite_inputs(model, layer);
    give_back_freed_memory();
    const NewWeights changed = layer.inputs.empty() ? NewWeights{} : visit(layer);
    if (!changed.empty() && !plain.outputs.empty()) {
      const LayerWeights weights(model, plain, changed);
      Executor executor(JobPlan({plain}, options, weights.names), weights.tensors);
      sample.run(executor);
    }
    sample.keep_only(needed_from(segments, s + 1));
    give_back_freed_memory();
    if (o.progress) o.progress(static_cast<std::int64_t>(s) + 1, static_cast<std::int64_t>(segments.size()));
  }
}

// The products of a part of the model: by weight, the first one by name of those that multiply the same
// input; and how wide that is.
struct Products {
  std::map<std::string, std::string> first;
  std::vector<MomentsSpec> inputs;
};
Products products_of(const Segment& segment) {
  Program measured = segment.program;
  std::map<std::string, std::string> shared, names;
  add_moments(measured, shared);
  Products products;
  for (const auto& [weight, of] : shared) {
    const auto [name, is_new] = names.emplace(of, weight);
    products.first[weight] = name->second;
    if (!is_new) continue;
    for (const TensorDef& t : measured.tensors)
      if (t.name == moments_name(of) && t.alias == Alias::none)
        products.inputs.push_back({weight, t.type.shape[0]});
  }
  return products;
}

// From the file, which is made where it is not there: moments of the model as it is, whatever `visit` makes.
void reuse(const Model& model, const Text& text, Sample& sample, const std::vector<Segment>& segments,
           const CalibrationOptions& o, const Visit& visit) {
  const MomentsOf of{model.weights_hash(), hash_text(model.config_json()), text.digest(), sample.windows(),
                     sample.seq()};
  if (!is_file(o.kept)) {
    std::vector<MomentsSpec> specs;
    for (const Segment& segment : segments)
      for (MomentsSpec& spec : products_of(segment).inputs) specs.push_back(std::move(spec));
    MomentsWriter writer(o.kept, of, specs);
    measure(model, sample, segments, o, [&](const LayerMoments& layer) {
      writer.add(layer);
      return NewWeights{};
    });
    writer.commit();
  }
  const MomentsFile file(o.kept, of);
  for (const Segment& segment : segments) {
    LayerMoments layer{.name = segment.name, .program = &segment.program};
    std::map<std::string, std::shared_ptr<const Moments>> read;
    for (const auto& [weight, first] : products_of(segment).first) {
      auto& moments = read[first];
      if (!moments) moments = std::make_shared<const Moments>(file.read(first, sample.positions()));
      layer.inputs[weight] = moments;
    }
    require_finite_inputs(model, layer);
    if (!layer.inputs.empty()) visit(layer);
  }
}

}  // namespace

namespace {

// Of what stands between parts while part `s` is run: what it or a later one reads, and what it makes.
std::int64_t between_bytes(const std::vector<Segment>& segments, std::size_t s, const Sample& sample) {
  const Program& p = segments[s].program;
  const std::set<std::string> needed = needed_from(segments, s);
  std::int64_t bytes = 0;
  for (const TensorId id : p.inputs())
    if (p[id].name != "$tokens" && needed.contains(p[id].name.substr(1))) bytes += p[id].type.bytes();
  for (const Output& output : p.outputs) bytes += p[output.id].type.bytes();
  return bytes / sample.together() * sample.windows();
}

std::int64_t weights_bytes(const Program& p, const WeightStore& store) {
  std::int64_t bytes = 0;
  for (const ParameterSpec& spec : p.parameters())
    if (!store.is_in_place(spec)) bytes += TensorType{spec.shape, spec.dtype}.bytes();
  return bytes;
}

std::int64_t arena_of(const Program& p, const ExecOptions& options) {
  std::set<std::string> names;
  for (const ParameterSpec& spec : p.parameters()) names.insert(spec.name);
  return JobPlan({p}, options, names).arena_bytes();
}

}  // namespace

std::int64_t calibration_bytes(const Model& model, const Text& text, const CalibrationOptions& o,
                               const std::function<LayerBytes(const LayerProducts&)>& visiting) {
  const FloatModeGuard guard;
  const Sample sample(model, text.train_tokens(), o, text.path());
  const ExecOptions options = exec_options(o.threads, o.isa);
  std::int64_t most = 0, made = 0;
  const std::vector<Segment> segments = segments_of(forward_program(model, sample));
  for (std::size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = segments[s];
    Program plain = segment.program, measured = plain;
    std::map<std::string, std::string> shared;
    add_moments(measured, shared);
    remove_dead(measured), remove_dead(plain);
    LayerProducts products;
    std::int64_t moments = 0;
    for (const MomentsSpec& input : products_of(segment).inputs)
      moments += 4 * input.width * (input.width + 1);
    for (const auto& named : shared) products.push_back(named.first);
    const LayerBytes visit = products.empty() ? LayerBytes{} : visiting(products);
    const std::int64_t held = weights_bytes(measured, model.impl().store);
    std::int64_t here = std::max(held + arena_of(measured, options) + moments, moments + visit.working);
    made += visit.made;
    if (visit.changed > 0 && !plain.outputs.empty())
      here = std::max(here, visit.made + moments + 2 * visit.changed + held + arena_of(plain, options));
    most = std::max(most, made - visit.made + here + between_bytes(segments, s, sample));
  }
  return most;
}

void calibrate(const Model& model, const Text& text, const CalibrationOptions& o, const Visit& visit) {
  const FloatModeGuard guard;
  require_language_model(model);
  require_vocabulary(model, text.tokenizer(), text.path());
  Sample sample(model, text, o);
  const std::vector<Segment> segments = segments_of(forward_program(model, sample));
  if (o.kept.empty())
    measure(model, sample, segments, o, visit);
  else
    reuse(model, text, sample, segments, o, visit);
}

}  // namespace hone
