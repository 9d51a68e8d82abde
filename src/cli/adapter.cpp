#include "cli/adapter.hpp"

#include "cli/terminal.hpp"
#include "hone/lora.hpp"

namespace hone::cli {

void add_adapter(Command& c, std::string& adapter) {
  c.add_option("--adapter", adapter, "folder of a LoRA adapter in PEFT's format that goes with the model");
}

Model open_model(const std::string& model, const std::string& adapter) {
  const Model opened = adapter.empty() ? open(model) : with_adapter(open(model), adapter);
  print_notes(opened.notes());
  return opened;
}

}  // namespace hone::cli
