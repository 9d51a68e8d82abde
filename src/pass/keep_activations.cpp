#include "ir/rewrite.hpp"
#include "pass/kept.hpp"
#include "pass/passes.hpp"

namespace hone {

void keep_activations(Program& p, const std::map<std::string, TensorId>& kept, std::int64_t batch) {
  Rewrite edit(p);
  for (const auto& [name, x] : kept) {
    if (!p.states(Purpose::kept, name).empty()) continue;
    const auto maker = edit.maker(p.root(x));  // of a part: whoever makes the whole
    edit.insert(*maker + 1, kept_for_step(p, x, {kept_name(name), Purpose::kept, name}, batch, name));
  }
  edit.finish();
}

std::string kept_name(const std::string& activation) { return "kept." + activation; }

}  // namespace hone
