#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/cut_files.hpp"
#include "cli/terminal.hpp"
#include "hone/error.hpp"

namespace hone::cli {
namespace {

constexpr std::array commands{
    add_demo,  add_plan,    add_train,    add_distill, add_eval,      add_generate, add_run,
    add_bench, add_verify,  add_inspect,  add_hash,    add_merge,     add_doctor,   add_tokenizer,
    add_data,  add_convert, add_quantize, add_prune,   add_factorize, add_pack,     add_help};

// Though the options may not be understood: who reads JSON finds there, too, what is wrong with them.
bool asks_for_json(const std::vector<std::string>& words) {
  return std::any_of(words.begin(), words.end(),
                     [](const std::string& word) { return word == "--json" || word == "--json=true"; });
}

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
  const std::vector<std::string> typed(argv + 1, argv + argc);
  bool json = cli::asks_for_json(typed);
  const auto ended = [&](int code, const std::string& what, const ErrorText& text = {}) {
    if (json) cli::print_error_event(code, what, text);
    cli::message("hone: " + what);
    return code;
  };
  try {
    cli::Command program;
    for (const cli::AddCommand add : cli::commands) add(program);
    const auto arguments = cli::with_recipes(typed, program.option_kinds(typed.empty() ? "" : typed[0]));
    json = cli::asks_for_json(arguments.words);
    cli::report_cut_files(json);
    cli::print_notes(arguments.notes);
    program.parse(arguments);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
    throw Error(ErrorKind::failed,
                {.what = "cannot write to stdout", .hint = "is its disk full, or its reader gone?"});
  } catch (const cli::Answered& e) {
    json = false;
    return ended(exit_code(e.kind()), e.what());
  } catch (const Error& e) {
    return ended(exit_code(e.kind()), e.what(), e.text());
  } catch (const std::bad_alloc&) {
    return ended(exit_code(ErrorKind::budget), "out of memory");
  } catch (const std::exception& e) {
    return ended(1, std::string("a bug of hone's: ") + e.what());
  }
}
