#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/terminal.hpp"
#include "hone/error.hpp"

namespace hone::cli {
namespace {

constexpr std::array<AddCommand, 16> commands{
    add_demo,   add_plan,    add_train, add_eval,  add_generate, add_run,       add_bench, add_verify,
    add_inspect, add_hash,   add_merge, add_doctor, add_tokenizer, add_data,     add_convert, add_help};

}  // namespace

void add_help(Command& app) {
  auto* c = app.add_subcommand("help", "what a command does, with examples",
                               "  hone help\n  hone help train\n  hone help tokenizer train");
  auto* words = new_kept<std::vector<std::string>>();
  c->add_option("command", *words, "the command (none: a list of all)");
  c->callback([=, &app] { print_text(app.find(*words).help()); });
}

}  // namespace hone::cli

int main(int argc, char** argv) {
  using namespace hone;
  cli::hold_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // ulimit -f: the write fails and says so, like one on a full disk
  try {
    cli::Command program;
    for (const cli::AddCommand add : cli::commands) add(program);
    const std::vector<std::string> typed(argv + 1, argv + argc);
    const auto arguments = cli::with_recipes(typed, program.option_kinds(typed.empty() ? "" : typed[0]));
    cli::print_notes(arguments.notes);
    program.parse(arguments);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
    throw Error(ErrorKind::failed,
                {.what = "cannot write to stdout", .hint = "is its disk full, or its reader gone?"});
  } catch (const Error& e) {
    cli::message(std::string("hone: ") + e.what());
    return exit_code(e.kind());
  } catch (const std::bad_alloc&) {
    cli::message("hone: out of memory");
    return exit_code(ErrorKind::budget);
  } catch (const std::exception& e) {
    cli::message(std::string("hone: a bug of hone's: ") + e.what());
    return 1;
  }
}
