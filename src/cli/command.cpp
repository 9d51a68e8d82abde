#include "cli/command.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <iterator>
#include <optional>

#include "cli/numbers.hpp"
#include "cli/terminal.hpp"
#include "hone/error.hpp"
#include "hone/machine.hpp"
#include "hone/nearest.hpp"
#include "hone/version.hpp"

namespace hone::cli {
namespace {

constexpr std::size_t widest_column = 28;  // a longer left column would leave the words no room

// "  left      right" lines, the right column in one place.
std::string two_columns(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, std::min(left.size(), widest_column));
  std::string text;
  for (const auto& [left, right] : rows) text += fmt::format("  {:<{}}  {}\n", left, width, right);
  return text;
}

std::string left_column(const CLI::Option& o) {
  std::string names;
  if (o.get_positional()) {
    names = o.get_name(true);
  } else {
    names = fmt::format("{}", fmt::join(o.get_snames(), ", -"));
    if (!names.empty()) names = "-" + names + (o.get_lnames().empty() ? "" : ", ");
    if (!o.get_lnames().empty()) names += fmt::format("--{}", fmt::join(o.get_lnames(), ", --"));
  }
  const bool takes_value = !o.get_positional() && o.get_items_expected_max() > 0;
  return takes_value ? names + " " + o.get_type_name() : names;
}

std::string right_column(const CLI::Option& o) {
  if (o.get_required() && !o.get_positional()) return o.get_description() + " [required]";
  return o.get_default_str().empty() ? o.get_description()
                                     : fmt::format("{} [{}]", o.get_description(), o.get_default_str());
}

bool is_letter_or_digit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// The recipe's line whose option a complaint names first.
std::string origin_of(const std::string& complaint, const Arguments& arguments) {
  std::string origin;
  std::size_t first = complaint.size();
  for (const auto& [option, where] : arguments.origin) {
    const auto at = complaint.find(option), end = at + option.size();
    if (at >= first) continue;
    const bool whole =
        end == complaint.size() || (complaint[end] != '-' && !is_letter_or_digit(complaint[end]));
    if (!whole) continue;
    origin = where;
    first = at;
  }
  return origin;
}

// "micro_batch", a member of a struct of options, as it is typed; "memory_bytes" is typed with its unit.
std::string option_of(std::string member) {
  if (member.ends_with("_bytes")) member.resize(member.rfind('_'));
  std::replace(member.begin(), member.end(), '_', '-');
  return "--" + member;
}

// CLI11 takes the word behind "--lr=" for its value.
std::vector<std::string> with_empty_values(const std::vector<std::string>& words) {
  std::vector<std::string> all;
  for (const std::string& word : words) {
    const bool empty = word.starts_with("--") && word.find('=') + 1 == word.size();
    all.push_back(empty ? word.substr(0, word.size() - 1) : word);
    if (empty) all.emplace_back();
  }
  return all;
}

// What stands behind an option in the help: a word for its kind of value.
template <class T>
constexpr const char* value_word() {
  if constexpr (std::is_floating_point_v<T>) return "X";
  if constexpr (std::is_integral_v<T>) return "N";
  return "TEXT";
}

std::vector<std::string> long_names(const CLI::App& command) {
  std::vector<std::string> all;
  for (const CLI::Option* o : command.get_options())
    for (const std::string& n : o->get_lnames()) all.push_back("--" + n);
  return all;
}

template <class T>
constexpr ValueKind kind_of() {
  if constexpr (std::is_floating_point_v<T>) return ValueKind::real;
  if constexpr (std::is_integral_v<T>) return ValueKind::whole;
  return ValueKind::text;
}

template <class T>
struct NumberOf {
  using type = T;
};
template <class T>
struct NumberOf<std::optional<T>> {
  using type = T;
};

}  // namespace

Option* Option::required(bool yes) {
  parsed_->required(yes);
  return this;
}
Option* Option::capture_default_str() {
  parsed_->capture_default_str();
  return this;
}
Option* Option::type_name(const std::string& what) {
  parsed_->type_name(what);
  return this;
}
Option* Option::one_of(const std::vector<std::string>& all) {
  choices_ = all;
  parsed_->check([all](const std::string& value) {
    if (std::find(all.begin(), all.end(), value) != all.end()) return std::string();
    return fmt::format("expected {}, found '{}'", fmt::join(all, ", "), value);
  });
  return this;
}
Option* Option::between(std::int64_t least, std::int64_t most) {
  parsed_->check([least, most](const std::string& value) {
    std::int64_t number = 0;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
    if (read.ec == std::errc() && number >= least && number <= most) return std::string();
    return fmt::format("expected {} to {}, found {}", least, most, value);
  });
  return this;
}
Option* Option::not_empty(const std::string& expected) {
  parsed_->check([expected](const std::string& value) {
    return value.empty() ? fmt::format("expected {}, found ''", expected) : std::string();
  });
  return this;
}
Option* Option::repeatable() {
  parsed_->allow_extra_args(false);
  parsed_->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return this;
}
std::int64_t Option::count() const { return static_cast<std::int64_t>(parsed_->count()); }

Command::Command()
    : name_("hone"),
      what_("hone makes Transformers cheap to train, small to keep and fast to run, on CPUs."),
      program_(std::make_unique<CLI::App>("", "hone")),
      parsed_(program_.get()) {
  parsed_->set_help_flag("-h,--help", "this help");
  parsed_->set_version_flag("--version", std::string("hone ") + version(), "the version");
  parsed_->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

Command::Command(const std::string& name, const std::string& what, const std::string& examples,
                 CLI::App* parsed)
    : name_(name), what_(what), examples_(examples), parsed_(parsed) {}

Command::~Command() = default;

Command* Command::add_subcommand(const std::string& name, const std::string& what,
                                 const std::string& examples) {
  parsed_->require_subcommand(1);
  commands_.emplace_back(new Command(name, what, examples, parsed_->add_subcommand(name)));
  return commands_.back().get();
}

template <class T>
Option* Command::add_option(const std::string& names, T& value, const std::string& what) {
  using Value = typename NumberOf<T>::type;
  CLI::Option* option = parsed_->add_option(names, value, what)->type_name(value_word<Value>());
  if constexpr (std::is_arithmetic_v<Value>) option->transform(CLI::Validator(check_number<Value>, ""));
  return &options_.emplace_back(option, kind_of<Value>());
}
template Option* Command::add_option(const std::string&, std::optional<double>&, const std::string&);
template Option* Command::add_option(const std::string&, std::string&, const std::string&);
template Option* Command::add_option(const std::string&, std::vector<std::string>&, const std::string&);
template Option* Command::add_option(const std::string&, double&, const std::string&);
template Option* Command::add_option(const std::string&, float&, const std::string&);
template Option* Command::add_option(const std::string&, int&, const std::string&);
template Option* Command::add_option(const std::string&, std::int64_t&, const std::string&);
template Option* Command::add_option(const std::string&, std::uint64_t&, const std::string&);

Option* Command::add_size(const std::string& name, std::int64_t& bytes, const std::string& what) {
  const auto read = [&bytes, name](const std::string& text) { bytes = bytes_from_text(text, name); };
  CLI::Option* option = parsed_->add_option_function<std::string>(name, read, what)->type_name("SIZE");
  return &options_.emplace_back(option, ValueKind::text);
}

Option* Command::add_flag(const std::string& names, bool& value, const std::string& what) {
  return &options_.emplace_back(parsed_->add_flag(names, value, what), ValueKind::flag);
}

void Command::callback(std::function<void()> run) { parsed_->callback(std::move(run)); }

bool Command::given(const std::string& option) const {
  const CLI::Option* const known = parsed_->get_option_no_throw(option);
  return known != nullptr && known->count() > 0;
}

void Command::note_without_effect(const std::vector<std::string>& options, const std::string& because) const {
  std::vector<std::string> void_ones;
  std::copy_if(options.begin(), options.end(), std::back_inserter(void_ones),
               [this](const std::string& option) { return given(option); });
  if (!void_ones.empty())
    print_notes({fmt::format("without effect {}: {}", because, fmt::join(void_ones, ", "))});
}

OptionKinds Command::kinds() const {
  OptionKinds kinds;
  for (const Option& o : options_) {
    for (const std::string& n : o.parsed().get_lnames()) kinds["--" + n] = o.kind();
    for (const std::string& n : o.parsed().get_snames()) kinds["-" + n] = o.kind();
  }
  return kinds;
}

OptionKinds Command::option_kinds(const std::string& command) const {
  for (const auto& c : commands_)
    if (c->name_ == command) return c->kinds();
  return {};
}

bool Command::takes(const std::string& word) const {
  return std::any_of(options_.begin(), options_.end(), [&](const Option& o) {
    const auto& all = o.choices();
    return o.parsed().get_positional() && std::find(all.begin(), all.end(), word) != all.end();
  });
}

void add_isa(Command& command, std::string& isa) {
  command.add_option("--isa", isa, fmt::format("of {}", fmt::join(instruction_sets(), ", ")));
  command.show_default("--isa", "the best here");
}

void Command::show_default(const std::string& option, const std::string& what) {
  parsed_->get_option(option)->default_str(what);
}

std::string Command::typed(const std::vector<std::string>& without) const {
  std::vector<std::string> words;
  for (const CLI::Option* o : parsed_->get_options()) {
    if (o->count() == 0 || std::find(without.begin(), without.end(), o->get_name()) != without.end())
      continue;
    if (!o->get_positional()) words.push_back(o->get_name());
    if (o->get_items_expected_max() == 0) continue;
    for (const std::string& value : o->results()) words.push_back(shell_word(value));
  }
  return fmt::format("{}", fmt::join(words, " "));
}

std::string Command::path() const {
  std::string path = name_;
  for (const CLI::App* above = parsed_->get_parent(); above; above = above->get_parent())
    path = above->get_name() + " " + path;
  return path;
}

std::string Command::help() const {
  std::string usage = path();
  std::vector<std::pair<std::string, std::string>> positionals, options, commands;
  for (const CLI::Option* o : parsed_->get_options()) {
    if (o->get_positional())
      usage += o->get_required() ? " " + left_column(*o) : " [" + left_column(*o) + "]";
    (o->get_positional() ? positionals : options).emplace_back(left_column(*o), right_column(*o));
  }
  for (const auto& c : commands_) commands.emplace_back(c->name_, c->what_);
  usage += commands.empty() ? " [OPTIONS]" : " COMMAND ...";
  std::string text = what_ + "\n\n";
  if (!examples_.empty()) text += "Examples:\n" + examples_ + "\n\n";
  text += "Usage: " + usage + "\n";
  if (!positionals.empty()) text += "\n" + two_columns(positionals);
  if (!commands.empty()) text += "\nCommands:\n" + two_columns(commands);
  text += "\nOptions:\n" + two_columns(options);
  if (!commands.empty())
    text += fmt::format("\nhone help {}COMMAND shows a command's examples and options.\n",
                        program_ ? "" : name_ + " ");
  return text;
}

const Command& Command::find(const std::vector<std::string>& words) const {
  const Command* at = this;
  for (const std::string& word : words) {
    std::vector<std::string> names;
    const Command* next = nullptr;
    for (const auto& c : at->commands_) {
      names.push_back(c->name_);
      if (c->name_ == word) next = c.get();
    }
    if (!next && at->takes(word)) continue;
    if (!next) {
      const std::string near = nearest(word, names);
      throw Error(ErrorKind::usage, {.what = fmt::format("unknown command '{}'", word),
                                     .hint = near.empty() ? at->path() + " has no commands below it"
                                                          : "did you mean " + near + "?"});
    }
    at = next;
  }
  return *at;
}

const Command& Command::chosen() const {
  for (const auto& c : commands_)
    if (c->parsed_->parsed()) return c->chosen();
  return *this;
}

void Command::parse(const Arguments& arguments) {
  try {
    const auto words = with_empty_values(arguments.words);
    parsed_->parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them last first
  } catch (const CLI::CallForVersion& e) {
    std::fputs((std::string(e.what()) + "\n").c_str(), stdout);
  } catch (const CLI::CallForHelp&) {
    const Command& command = chosen();
    const auto extras = command.parsed_->remaining();
    std::fputs(command.find(command.commands_.empty() ? std::vector<std::string>() : extras).help().c_str(),
               stdout);
  } catch (const CLI::ParseError& e) {
    throw chosen().as_typed(chosen().refusal(e.what()), arguments);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::usage && e.kind() != ErrorKind::budget) throw;
    throw chosen().as_typed(e, arguments);
  }
}

// "give eval_data": "give --eval-data", of the options that there are.
std::string Command::named_as_typed(const std::string& text) const {
  const auto is_of_name = [](char c) { return is_letter_or_digit(c) || c == '_'; };
  std::string all;
  for (auto at = text.begin(); at != text.end();) {
    const auto end = std::find_if_not(at, text.end(), is_of_name);
    const std::string word(at, end);
    all += word.find('_') != std::string::npos && kinds().contains(option_of(word)) ? option_of(word) : word;
    at = end;
    if (at != text.end()) all += *at++;
  }
  return all;
}

// A wrong value is said of its option, and of the recipe's line where it stands in one. A hint may name other
// options, and tells nothing of where the mistake is.
Error Command::as_typed(const Error& e, const Arguments& arguments) const {
  const bool budget = e.kind() == ErrorKind::budget;
  ErrorText text = e.text();
  if (kinds().contains(option_of(text.where))) text.where = option_of(text.where);
  text.hint = named_as_typed(text.hint);
  if (budget) return {e.kind(), text};
  const std::string origin = origin_of(text.where + ": " + text.what, arguments);
  if (origin.empty()) return {e.kind(), text};
  text.where = text.where.empty() ? origin : origin + ": " + text.where;
  return {ErrorKind::input, text};
}

std::string Command::below_with(const std::string& option) const {
  for (const auto& c : commands_)
    if (!program_ && c->kinds().contains(option)) return c->path();
  return {};
}

Error Command::refusal(const std::string& complaint) const {
  const auto extras = parsed_->remaining();
  const std::string see = fmt::format("see {} --help", path());
  if (extras.empty()) {
    std::vector<std::string> names;
    for (const auto& c : commands_) names.push_back(c->name_);
    if (names.empty()) return {ErrorKind::usage, {.what = complaint, .hint = see}};
    return {ErrorKind::usage,
            {.what = path() + " needs a command",
             .expected = fmt::format("{}", fmt::join(names, ", ")),
             .hint = see}};
  }
  const std::string word = extras.front().substr(0, extras.front().find('='));
  if (!word.starts_with("-") && !commands_.empty()) find({word});
  if (const std::string below = below_with(word); !below.empty())
    return {ErrorKind::usage,
            {.what = fmt::format("{} needs a command before {}", path(), word),
             .hint = fmt::format("did you mean {} {}?", below, word)}};
  const std::string near = word.starts_with("-") ? nearest(word, long_names(*parsed_)) : "";
  return {ErrorKind::usage,
          {.what = fmt::format("unknown {} '{}'", word.starts_with("-") ? "option" : "argument", word),
           .hint = near.empty() ? see : "did you mean " + near + "?"}};
}

}  // namespace hone::cli
