#include <fmt/format.h>

#include <algorithm>

#include "cli/command.hpp"
#include "cli/json_line.hpp"
#include "cli/terminal.hpp"
#include "hone/shards.hpp"
#include "hone/text.hpp"
#include "hone/tokenizer.hpp"

namespace hone::cli {
namespace {

JsonLine json_of(const ShardSummary& s, const Tokenizer& tokenizer) {
  const char* kinds[] = {"byte", "char", "bpe"};
  JsonLine line;
  line.add("tokens", s.tokens())
      .add("train_tokens", s.train.tokens)
      .add("held_out_tokens", s.held_out.tokens)
      .add("text_bytes", s.train.text_bytes + s.held_out.text_bytes)
      .add("bytes", s.file_bytes)
      .add("ratio", s.ratio())
      .add("shards", s.shards())
      .add("tokenizer", kinds[static_cast<int>(tokenizer.kind())])
      .add("vocab_size", s.vocab_size)
      .add("packing", s.window > 0 ? "cut" : "pack");
  if (s.documents > 0) line.add("documents", s.documents).add("digest", s.digest);  // version 1 has neither
  if (s.window > 0) line.add("seq", s.window).add("windows", s.train.windows + s.held_out.windows);
  return line;
}

struct BuildOptions {
  std::vector<std::string> data;
  std::string out, tokenizer, format = "auto", field = "text", documents = "pack";
  std::int64_t seq = 0;
  ShardOptions shards;
  bool json = false;
};

TextSource source_of(const BuildOptions& o) {
  const TextFormat format = o.format == "text"    ? TextFormat::text
                            : o.format == "jsonl" ? TextFormat::jsonl
                                                  : TextFormat::by_name;
  return {o.data, format, o.field};
}

void build(const BuildOptions& o) {
  ShardOptions shards = o.shards;
  shards.any_bytes = !o.tokenizer.empty();
  const bool cut = o.documents == "cut";
  if (cut != (o.seq > 0))
    throw Error(ErrorKind::usage,
                {.what = cut ? "documents are cut into windows of a length, and none is named"
                             : "only documents that are cut have a window's length",
                 .where = cut ? "--documents cut" : "--seq",
                 .hint = "--documents cut --seq 256 does it"});
  shards.window = o.seq;
  const TextSource source = source_of(o);
  const Tokenizer tokenizer = o.tokenizer == "byte" || o.tokenizer.empty() ? Tokenizer::bytes()
                              : o.tokenizer == "char"                      ? character_tokenizer(source)
                                                                           : Tokenizer::open(o.tokenizer);
  print_notes(tokenizer.notes());
  const ShardSummary made = write_token_shards(source, tokenizer, o.out, shards);
  print_notes(made.notes);
  print(o.json ? json_of(made, tokenizer).text()
               : fmt::format(
                     "{} tokens to train on and {} held out, of {} document{}, in {} shards; {}, {:.3f} of "
                     "plain tokens",
                     made.train.tokens, made.held_out.tokens, made.documents, made.documents == 1 ? "" : "s",
                     made.shards(), human_bytes(static_cast<double>(made.file_bytes)), made.ratio()));
}

void add_build(Command& data) {
  auto* c = data.add_subcommand(
      "build", "tokenise texts once, into packed shards",
      "  hone data build --data texts/ --tokenizer tokenizer --out shards\n"
      "  hone data build --data wiki.jsonl.zst more.txt.gz --tokenizer byte --out shards\n"
      "  hone data build --data chats.jsonl --field answer --documents cut --seq 256 --tokenizer t --out "
      "shards");
  auto* o = new_kept<BuildOptions>();
  c->add_option("--data", o->data, "text files, JSON lines, folders of them; packed by gzip or zstd too")
      ->required();
  c->add_option("--out", o->out, "folder for the shards")->required();
  c->add_option("--tokenizer", o->tokenizer, "byte, char, or a tokenizer.json or its folder (default: byte)");
  c->add_option("--format", o->format, "what the files hold; auto: .jsonl and .ndjson are JSON lines")
      ->one_of({"auto", "text", "jsonl"})
      ->capture_default_str();
  c->add_option("--field", o->field, "of a JSON line, the member that is its text")->capture_default_str();
  c->add_option("--documents", o->documents,
                "pack: windows cross from one to the next; cut: none does, and its last one is filled up")
      ->one_of({"pack", "cut"})
      ->capture_default_str();
  c->add_option("--seq", o->seq, "tokens of a window, with --documents cut");
  c->add_option("--shard-tokens", o->shards.shard_tokens, "tokens a file, 256 or more")
      ->capture_default_str();
  c->add_flag("--json", o->json, "one JSON object on stdout");
  c->callback([=] { build(*o); });
}

struct InspectOptions {
  std::string folder;
  std::int64_t show = 0;
  bool verify = false, json = false;
};

void print_table(const ShardSummary& s, const Tokenizer& tokenizer) {
  Table table({"", "train", "held out"});
  const auto row = [&](const char* what, auto of) {
    table.row({what, human_count(static_cast<double>(of(s.train))),
               human_count(static_cast<double>(of(s.held_out)))});
  };
  row("tokens", [](const ShardPart& p) { return p.tokens; });
  if (s.documents > 0) row("documents", [](const ShardPart& p) { return p.documents; });
  if (s.window > 0) row("windows", [](const ShardPart& p) { return p.windows; });
  row("bytes of text", [](const ShardPart& p) { return p.text_bytes; });
  row("shards", [](const ShardPart& p) { return std::ssize(p.shards); });
  print_text(table.to_string());
  print(fmt::format("{} of shards, {:.3f} of plain tokens; {} ids{}; {}",
                    human_bytes(static_cast<double>(s.file_bytes)), s.ratio(), s.vocab_size,
                    tokenizer.end_of_text() ? ", with an end of text" : "",
                    s.window > 0 ? fmt::format("documents cut into windows of {}", s.window)
                                 : "documents packed, windows of any length"));
}

void inspect(const InspectOptions& o) {
  if (o.show < 0)
    throw Error(ErrorKind::usage, {.what = "impossible value", .where = "show", .expected = "0 or more"});
  const ShardSummary s = inspect_token_shards(o.folder, o.verify);
  const Text text(o.folder);
  std::vector<std::int32_t> ids;
  if (s.window == 0)
    ids = text.ids(0, std::min(o.show, text.all_tokens()));
  else if (o.show > 0)
    for (std::int64_t w = 0; w < text.all_windows(s.window) && std::ssize(ids) < o.show; ++w) {
      const Batch window = text.all(w, 1, s.window);
      ids.insert(ids.end(), window.ids.begin(), window.ids.begin() + window.tokens());
    }
  ids.resize(std::min(ids.size(), static_cast<std::size_t>(o.show)));
  const std::string shown = text.tokenizer().decode(ids, true);
  if (o.json) {
    JsonLine line = json_of(s, text.tokenizer());
    line.add("verified", o.verify);
    if (o.show > 0) line.add("ids", std::vector<std::int64_t>(ids.begin(), ids.end())).add("text", shown);
    return print(line.text());
  }
  print_table(s, text.tokenizer());
  if (o.verify) print("every frame is as it was written");
  if (o.show > 0) print(shown);
}

void add_inspect_data(Command& data) {
  auto* c = data.add_subcommand("inspect", "what a folder of shards holds",
                                "  hone data inspect shards\n"
                                "  hone data inspect shards --verify --show 100\n"
                                "  hone data inspect shards --json");
  auto* o = new_kept<InspectOptions>();
  c->add_option("folder", o->folder, "the folder of shards")->required();
  c->add_option("--show", o->show, "print so many tokens from the beginning, as text")->type_name("N");
  c->add_flag("--verify", o->verify, "read every frame and compare its checksum");
  c->add_flag("--json", o->json, "one JSON object on stdout");
  c->callback([=] { inspect(*o); });
}

}  // namespace

void add_data(Command& app) {
  auto* c = app.add_subcommand("data", "tokenise texts once, into packed shards, and look at these",
                               "  hone data build --data texts/ --tokenizer tokenizer --out shards\n"
                               "  hone data inspect shards");
  add_build(*c);
  add_inspect_data(*c);
}

}  // namespace hone::cli
