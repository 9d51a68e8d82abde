#include "hone/tokenizer.hpp"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <vector>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/named_tokenizer.hpp"
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

// Error(usage) for what is no list of ids.
std::vector<std::int32_t> ids_of(const std::string& text) {
  std::vector<std::int32_t> ids;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ' ' || text[at] == ',') {
      ++at;
      continue;
    }
    std::int32_t id = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), id);
    if (error != std::errc() || id < 0)
      throw Error(ErrorKind::usage,
                  {.what = "not a list of token ids", .where = "ids", .found = text.substr(at, 40)});
    at = static_cast<std::size_t>(end - text.data());
    ids.push_back(id);
  }
  return ids;
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
  auto* specials = new_kept<bool>();
  c->add_option("--tokenizer", *path, "byte, or a tokenizer.json or its folder")->required();
  c->add_option("text", *text, "the text")->required();
  c->add_flag("--specials", *specials,
              "with the special tokens that frame a text, as the file's post_processor says");
  c->callback(
      [=] { print(fmt::format("{}", fmt::join(named_tokenizer(*path).encode(*text, *specials), " "))); });
}

void add_decode(Command& tokenizer) {
  auto* c = tokenizer.add_subcommand("decode", "show the text of ids",
                                     "  hone tokenizer decode --tokenizer out/book \"520 314 14\"");
  auto* path = new_kept<std::string>();
  auto* ids = new_kept<std::string>();
  auto* specials = new_kept<bool>();
  c->add_option("--tokenizer", *path, "byte, or a tokenizer.json or its folder")->required();
  c->add_option("ids", *ids, "the ids, with spaces or commas between")->required();
  c->add_flag("--specials", *specials, "with the names of special tokens");
  c->callback([=] { print(as_utf8(named_tokenizer(*path).decode(ids_of(*ids), *specials))); });
}

void show(const TokenizerReport& r, bool json) {
  if (json) {
    JsonLine line;
    line.add("ok", r.ok).add("texts", r.texts).add("ids", r.ids).add("differing", r.differing);
    if (!r.ok) line.add("text", r.text).add("what", r.what).add("expected", r.expected).add("found", r.found);
    return print(line.text());
  }
  if (r.ok)
    return print(fmt::format("{} texts, {} ids: all as expected, and both decodings", r.texts, r.ids));
  print(fmt::format("{} of {} texts differ; the first: {}\n  {}\n  expected  {}\n  found     {}", r.differing,
                    r.texts, printable(r.text), r.what, printable(r.expected), printable(r.found)));
}

void add_verify_tokenizer(Command& tokenizer) {
  auto* c = tokenizer.add_subcommand("verify", "compare a tokenizer's ids and texts with a reference's",
                                     "  hone tokenizer verify gpt2/tokenizer.json golden.json --json");
  auto* path = new_kept<std::string>();
  auto* golden = new_kept<std::string>();
  auto* json = new_kept<bool>();
  c->add_option("tokenizer", *path, "tokenizer.json or its folder")->required();
  c->add_option("golden", *golden, "JSON list of texts with their ids and decodings")->required();
  c->add_flag("--json", *json, "one JSON object on stdout");
  c->callback([=] {
    const TokenizerReport r = verify_tokenizer(named_tokenizer(*path), *golden);
    show(r, *json);
    if (!r.ok)
      throw Error(ErrorKind::failed, {.what = "the tokenizer differs from the reference in its " + r.what,
                                      .where = *path,
                                      .expected = r.expected.substr(0, 200),
                                      .found = r.found.substr(0, 200)});
  });
}

}  // namespace

void add_tokenizer(Command& app) {
  auto* c = app.add_subcommand("tokenizer", "train a tokenizer, or see what one does",
                               "  hone tokenizer train --data book.txt --vocab-size 4096 --out tokenizer");
  add_train_tokenizer(*c);
  add_encode(*c);
  add_decode(*c);
  add_verify_tokenizer(*c);
}

}  // namespace hone::cli
