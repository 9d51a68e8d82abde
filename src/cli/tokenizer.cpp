#include "hone/tokenizer.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "cli/training_session.hpp"
#include "hone/text.hpp"

namespace hone::cli {
namespace {

// What stands beside a tokenizer was made with it.
void require_no_user_of_it(const std::string& folder) {
  for (const char* name : {"config.json", "meta.json"})
    if (std::filesystem::exists(folder + "/" + name))
      throw Error(ErrorKind::usage,
                  {.what = "the folder holds a model or token shards, whose tokenizer would be replaced",
                   .where = folder,
                   .found = name,
                   .hint = "choose a folder of its own"});
}

void add_train_tokenizer(Command& tokenizer) {
  auto* c =
      tokenizer.add_subcommand("train", "make a byte-level BPE from a text",
                               "  hone tokenizer train --data book.txt --vocab-size 4096 --out tokenizer");
  auto* data = new_kept<std::string>();
  auto* out = new_kept<std::string>();
  auto* options = new_kept<BpeOptions>();
  auto* json = new_kept<bool>();
  c->add_option("--data", *data, "text file, or folder of them")->required();
  c->add_option("--out", *out, "folder for tokenizer.json")->required();
  c->add_option("--vocab-size", options->vocab_size, "tokens, the 256 bytes and the special ones included")
      ->capture_default_str();
  c->add_flag("--json", *json, "one JSON object on stdout");
  c->callback([=] {
    require_no_user_of_it(*out);
    const BpeReport made = train_bpe(*data, *options);
    print_notes(made.notes);
    made.tokenizer.save(*out);
    const double ratio =
        static_cast<double>(made.bytes) / static_cast<double>(std::max<std::int64_t>(1, made.tokens));
    print(*json ? JsonLine()
                      .add("vocab_size", made.tokenizer.vocab_size())
                      .add("tokens", made.tokens)
                      .add("bytes_per_token", ratio)
                      .text()
                : fmt::format("{} tokens in {}/tokenizer.json; the text takes {} of them, {:.2f} bytes each",
                              made.tokenizer.vocab_size(), *out, made.tokens, ratio));
  });
}

void add_encode(Command& tokenizer) {
  auto* c = tokenizer.add_subcommand("encode", "show a text's ids",
                                     "  hone tokenizer encode --tokenizer out/book \"To be\"");
  auto* path = new_kept<std::string>();
  auto* text = new_kept<std::string>();
  c->add_option("--tokenizer", *path, "byte, or a tokenizer.json or its folder")->required();
  c->add_option("text", *text, "the text")->required();
  c->callback([=] {
    if (*path == "char")
      throw Error(ErrorKind::usage, {.what = "a char tokenizer has the characters of a text",
                                     .where = "--tokenizer char",
                                     .hint = "name the folder of a model that was trained with it"});
    const Tokenizer t = *path == "byte" ? Tokenizer::bytes() : Tokenizer::open(*path);
    print_notes(t.notes());
    print(fmt::format("{}", fmt::join(t.encode(*text), " ")));
  });
}

}  // namespace

void add_tokenizer(Command& app) {
  auto* c = app.add_subcommand("tokenizer", "train a tokenizer, or see what one does",
                               "  hone tokenizer train --data book.txt --vocab-size 4096 --out tokenizer");
  add_train_tokenizer(*c);
  add_encode(*c);
}

}  // namespace hone::cli
