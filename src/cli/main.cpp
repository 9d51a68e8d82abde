#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <exception>

#include <fmt/ranges.h>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/terminal.hpp"
#include "hone/machine.hpp"
#include "hone/version.hpp"

namespace hone::cli {
namespace {

constexpr std::array<AddCommand, 12> commands{add_demo,     add_plan,   add_train,     add_eval,
                                              add_generate, add_bench,  add_verify,    add_inspect,
                                              add_hash,     add_doctor, add_tokenizer, add_data};

int run(int argc, char** argv) {
  CLI::App app("hone makes Transformers cheap to train, small to keep and fast to run, on CPUs.", "hone");
  app.set_version_flag("--version", std::string("hone ") + version());
  app.require_subcommand(1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  for (const AddCommand add : commands) add(app);
  check_numbers(app);
  const std::vector<std::string> typed(argv + 1, argv + argc);
  const Arguments arguments = with_recipes(typed, option_names(app, typed.empty() ? "" : typed[0]));
  try {
    const auto& words = arguments.words;
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them last first
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // help, version
    message("hone: " + explain(app, e, arguments));
    return exit_code(ErrorKind::usage);
  }
  return 0;
}

}  // namespace

CLI::App* add_command(CLI::App& app, const char* name, const char* what, const char* examples) {
  auto* command = app.add_subcommand(name, what);
  command->description(std::string(what) + "\n\nExamples:\n" + examples);
  return command;
}

void add_isa(CLI::App& command, std::string& isa) {
  command.add_option("--isa", isa, "instruction set (default: the best here)")
      ->type_name(fmt::format("{}", fmt::join(instruction_sets(), "|")));
}

}  // namespace hone::cli

int main(int argc, char** argv) {
  try {
    return hone::cli::run(argc, argv);
  } catch (const hone::Error& e) {
    hone::cli::message(std::string("hone: ") + e.what());
    return hone::exit_code(e.kind());
  } catch (const std::bad_alloc&) {
    hone::cli::message("hone: out of memory");
    return hone::exit_code(hone::ErrorKind::budget);
  } catch (const std::exception& e) {
    hone::cli::message(std::string("hone: a bug of hone's: ") + e.what());
    return 1;
  }
}
