// The commands of the program: each in the file of its name, listed in main.cpp. A command adds itself to the
// parser and runs when it was chosen; what is wrong it throws as hone::Error. The parser's own header (five
// seconds of compilation for each file that includes it) stays in command.cpp.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "hone/error.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace hone::cli {

// An option or a positional argument while it is being declared.
class Option {
 public:
  Option(CLI::Option* parsed, ValueKind kind) : parsed_(parsed), kind_(kind) {}
  Option* required(bool yes = true);
  Option* capture_default_str();                           // the help shows the value that it has now
  Option* type_name(const std::string& what);              // of the value, in the help: "f32|bf16"
  Option* one_of(const std::vector<std::string>& all);     // other values are refused
  Option* between(std::int64_t least, std::int64_t most);  // both included
  Option* not_empty(const std::string& expected);          // '' is refused, as not what was expected
  Option* repeatable();                                    // each time that it is given adds a value
  std::int64_t count() const;                              // how often it was given

  const CLI::Option& parsed() const { return *parsed_; }
  ValueKind kind() const { return kind_; }
  const std::vector<std::string>& choices() const { return choices_; }  // of one_of

 private:
  CLI::Option* parsed_;
  ValueKind kind_;
  std::vector<std::string> choices_;
};

class Command {
 public:
  Command();  // the program itself: what comes before a command's name
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // A command below this one; its help opens with examples.
  Command* add_subcommand(const std::string& name, const std::string& what, const std::string& examples);
  // `names` is "-n,--name", or for a positional argument "name". T is std::string, std::vector<std::string>,
  // double, float, int, a 64-bit integer or std::optional<double>. Numbers are checked (numbers.hpp).
  template <class T>
  Option* add_option(const std::string& names, T& value, const std::string& what);
  // A size in bytes, as bytes_from_text reads it.
  Option* add_size(const std::string& name, std::int64_t& bytes, const std::string& what);
  Option* add_flag(const std::string& names, bool& value, const std::string& what);
  void callback(std::function<void()> run);
  bool given(const std::string& option) const;  // "--steps"; false where the command has no such option
  // Says of those of the options that were given that they do nothing, `because`.
  void note_without_effect(const std::vector<std::string>& options, const std::string& because) const;
  void show_default(const std::string& option, const std::string& what);  // in the help, instead of a value

  const std::string& name() const { return name_; }
  // "--lr 0.003 --out 'my run'": what was typed, but for some options, for a shell.
  std::string typed(const std::vector<std::string>& without = {}) const;
  std::string help() const;
  // The command that these words name from here on: {"tokenizer", "train"}; {"bench", "gemm"} is bench, which
  // takes that word. Error(usage) with the nearest.
  const Command& find(const std::vector<std::string>& words) const;
  OptionKinds option_kinds(const std::string& command) const;  // of a command below this; none if unknown
  // Runs what the arguments choose. Help and version go to stdout; a mistake is an Error(usage) that names
  // the option, or the nearest command or option; an Error(input) with the line where it comes from a recipe.
  // Other errors pass as they are.
  void parse(const Arguments& arguments);

 private:
  Command(const std::string& name, const std::string& what, const std::string& examples, CLI::App* parsed);
  std::string path() const;  // "hone tokenizer train"
  const Command& chosen() const;
  OptionKinds kinds() const;
  bool takes(const std::string& word) const;
  Error as_typed(const Error& e, const Arguments& arguments) const;
  std::string named_as_typed(const std::string& text) const;
  Error refusal(const std::string& complaint) const;
  std::string below_with(const std::string& option) const;  // the path of a command below that has it, or ""

  std::string name_, what_, examples_;
  std::unique_ptr<CLI::App> program_;  // of the program itself
  CLI::App* parsed_;
  std::deque<Option> options_;
  std::vector<std::unique_ptr<Command>> commands_;
};

// The option --isa, which any command that computes has.
void add_isa(Command& command, std::string& isa);

using AddCommand = void (*)(Command& app);

void add_demo(Command& app);
void add_plan(Command& app);
void add_train(Command& app);
void add_eval(Command& app);
void add_generate(Command& app);
void add_run(Command& app);
void add_bench(Command& app);
void add_verify(Command& app);
void add_inspect(Command& app);
void add_hash(Command& app);
void add_merge(Command& app);
void add_doctor(Command& app);
void add_tokenizer(Command& app);
void add_data(Command& app);
void add_convert(Command& app);
void add_distill(Command& app);
void add_pack(Command& app);
void add_factorize(Command& app);
void add_prune(Command& app);
void add_quantize(Command& app);
void add_help(Command& app);

// Storage for what the parser writes to, as long as the program runs.
template <class T>
T* new_kept() {
  static std::vector<std::unique_ptr<T>> kept;
  return kept.emplace_back(std::make_unique<T>()).get();
}

}  // namespace hone::cli
