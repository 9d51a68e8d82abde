// The commands of the program: each in the file of its name, listed in main.cpp. A command adds itself to the
// parser and runs when it was chosen; what is wrong it throws as hone::Error.
#pragma once
#include <CLI/CLI.hpp>

namespace hone::cli {

using AddCommand = void (*)(CLI::App& app);

void add_demo(CLI::App& app);
void add_plan(CLI::App& app);
void add_train(CLI::App& app);
void add_eval(CLI::App& app);
void add_generate(CLI::App& app);
void add_bench(CLI::App& app);
void add_verify(CLI::App& app);
void add_inspect(CLI::App& app);
void add_hash(CLI::App& app);
void add_doctor(CLI::App& app);
void add_tokenizer(CLI::App& app);
void add_data(CLI::App& app);

// A command's help opens with examples.
CLI::App* add_command(CLI::App& app, const char* name, const char* what, const char* examples);

// The option --isa, which any command that computes has.
void add_isa(CLI::App& command, std::string& isa);

}  // namespace hone::cli
