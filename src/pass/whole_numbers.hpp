// What passes share that put products in whole numbers in the place of linear(): x as codes, made once for
// all that read it, and the weight in panels, made once for a run.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ir/rewrite.hpp"
#include "pass/derived.hpp"

namespace hone {

class WholeNumbers {
 public:
  // `codes` makes codes of x, `panels` panels of a weight, whose name ends in `suffix` then.
  WholeNumbers(Program& program, Rewrite& rewrite, const OpRecord& codes, const OpRecord& panels,
               std::string suffix)
      : p_(program), rewrite_(rewrite), to_codes_(codes), to_panels_(panels), suffix_(std::move(suffix)) {}

  // The outputs of `codes` with these attributes, in front of node n.
  const std::vector<TensorId>& codes_of(TensorId x, std::size_t n, const Attributes& attributes) {
    std::vector<TensorId>& codes = codes_[{x.value, attributes.to_string()}];
    if (codes.empty()) {
      codes = rewrite_.insert(n, to_codes_, {x}, attributes, p_[x].name + ".codes");
      rewrite_.inserted().scope = rewrite_[n].scope;
    }
    return codes;
  }

  TensorId panels_of(TensorId weight, std::size_t n) {
    TensorId& panels = panels_[weight.value];
    if (panels) return panels;
    const std::string source = p_[weight].name;
    panels = rewrite_.insert(n, to_panels_, {weight}, NoAttributes{}, source)[0];
    rewrite_.inserted().phase = Phase::prepare;
    rewrite_.inserted().scope = rewrite_[n].scope;
    set_derived(p_[panels], source, source + suffix_);
    return panels;
  }

 private:
  Program& p_;
  Rewrite& rewrite_;
  const OpRecord &to_codes_, &to_panels_;
  std::string suffix_;
  std::map<std::pair<std::int32_t, std::string>, std::vector<TensorId>> codes_;
  std::map<std::int32_t, TensorId> panels_;
};

}  // namespace hone
