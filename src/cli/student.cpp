#include "cli/student.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "cli/counted.hpp"
#include "cli/kept_file.hpp"
#include "cli/terminal.hpp"
#include "hone/compress.hpp"
#include "hone/examples.hpp"
#include "hone/prune.hpp"

namespace hone::cli {
namespace {

// Which parts matter is plain from few windows; what learns weights from a text takes more.
const CalibrationOptions usual_sample{.windows = 32, .seq = 256};

struct Part {
  const char* name;
  std::int64_t StudentParts::*count;
};
// Behind layers in the order in which they are cut: what a narrower model costs to measure is less.
constexpr Part all_parts[] = {{"layers", &StudentParts::layers},
                              {"width", &StudentParts::width},
                              {"heads", &StudentParts::heads},
                              {"channels", &StudentParts::channels}};

[[noreturn]] void refuse(const std::string& student) {
  throw Error(
      ErrorKind::usage,
      {.what = "impossible value",
       .where = "student",
       .expected = "layers=N, width=N, heads=N or channels=N with numbers from 1 on, by commas, or a model",
       .found = "'" + student + "'"});
}

std::int64_t number(const std::string& text, const std::string& student) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) refuse(student);
  return value;
}

// All that the student follows from: whatever the teacher's config says goes on in the student's.
std::string made_of(const TrainingRun& run, const StudentParts& parts, const std::optional<Text>& text) {
  const Model teacher = open(run.distill->teacher);
  std::string config = teacher.config_json();
  std::erase(config, '\n');
  std::string line = fmt::format("teacher {}, {}", teacher.identity(usual_sample.seq), config);
  for (const Part& p : all_parts) line += fmt::format(", {} {}", p.name, parts.*p.count);
  if (!text) return line + "\n";
  return line + fmt::format(", {} windows of {} of text {}\n", usual_sample.windows, usual_sample.seq,
                            text->digest());
}

// Examples and pairs are no running text: then weights alone say what matters.
std::optional<Text> text_of(const TrainingRun& run) {
  if (Examples::are_in(run.data)) return {};
  return Text(run.data, {.tokenizer = run.tokenizer.empty() ? run.distill->teacher : run.tokenizer});
}

// What cannot stay is said of the option that asked for it.
Pruned with_parts(const Model& model, const std::optional<Text>& text, const PruneOptions& options) {
  try {
    return text ? prune(model, *text, options) : prune(model, options);
  } catch (const Error& e) {
    ErrorText said = e.text();
    if (said.where != "keep") throw;
    said.where = "student";
    said.expected = options.pattern + "=N, N " + said.expected;
    throw Error(e.kind(), said);
  }
}

Model cut(const TrainingRun& run, const StudentParts& parts, const std::optional<Text>& text) {
  Model student = open(run.distill->teacher);
  if (parts.layers > 0) {
    std::string map;
    for (const std::int64_t layer : student_layers(student, parts.layers))
      map += (map.empty() ? "" : ", ") + std::to_string(layer);
    print_notes(
        {fmt::format("the student's layers 0 to {} begin as the teacher's {}", parts.layers - 1, map)});
    student = student_of(student, {.layers = parts.layers});
  }
  CalibrationOptions sample = usual_sample;
  sample.seq = std::min(sample.seq, student.context());
  sample.threads = run.plan.threads, sample.isa = run.plan.isa;
  sample.progress = counted("measuring");
  for (const Part& p : all_parts) {
    if (p.count == &StudentParts::layers || parts.*p.count == 0) continue;
    const PruneOptions options{.pattern = p.name, .keep = parts.*p.count, .sample = sample};
    const Pruned pruned = with_parts(student, text, options);
    print_notes(pruned.notes);
    student = pruned.model;
  }
  return student;
}

// The same run with a student of whole layers: what is wrong with any other option shows now.
void check(TrainingRun run, const StudentParts& parts) {
  run.distill->layers = std::max<std::int64_t>(1, parts.layers);
  run.plan.memory_bytes = 0;
  plan_of(run);
}

// Only a student that a distillation cut is cut anew: never a model that somebody has there, nor the teacher.
void require_own(const std::string& folder, const std::string& record, const std::string& teacher) {
  std::error_code none;
  const bool is_teacher = std::filesystem::equivalent(folder, teacher, none),
             is_model = std::filesystem::exists(folder + "/config.json", none);
  if (!is_teacher && (!is_model || std::filesystem::exists(record, none))) return;
  throw Error(
      ErrorKind::usage,
      {.what = is_teacher ? "the student that is cut would replace its teacher"
                          : "the folder holds a model that no distillation made, which would be replaced",
       .where = folder,
       .expected = "no folder, or the student of an earlier run",
       .hint = "name another OUT"});
}

// One that was cut short is not worth keeping: it follows from its record.
bool opens(const std::string& folder) {
  try {
    open(folder);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

std::optional<StudentParts> student_parts(const std::string& student) {
  std::error_code ignored;
  if (student.find('=') == std::string::npos || std::filesystem::exists(student, ignored)) return {};
  StudentParts parts;
  for (std::size_t at = 0; at <= student.size();) {
    const std::size_t end = std::min(student.find(',', at), student.size());
    const std::string one = student.substr(at, end - at);
    const std::size_t equals = one.find('=');
    if (equals == std::string::npos) refuse(student);
    const auto part = std::ranges::find(all_parts, one.substr(0, equals),
                                        [](const Part& p) { return std::string(p.name); });
    if (part == std::end(all_parts)) refuse(student);
    if (parts.*part->count != 0)
      throw Error(ErrorKind::usage, {.what = fmt::format("{} are counted twice", part->name),
                                     .where = "student",
                                     .found = "'" + student + "'"});
    parts.*part->count = number(one.substr(equals + 1), student);
    at = end + 1;
  }
  return parts;
}

TrainingRun with_cut_student(TrainingRun run, const StudentParts& parts) {
  check(run, parts);
  const std::string folder = run.out + "/student", record = folder + "/made_of.txt";
  require_own(folder, record, run.distill->teacher);
  const std::optional<Text> text = text_of(run);
  const std::string made = made_of(run, parts, text);
  if (kept_text(record) != made || !opens(folder)) {
    for (const char* file : {"made_of.txt", "model.safetensors", "config.json"})
      std::filesystem::remove(std::filesystem::path(folder) / file);
    const Compression work(run.distill->teacher, folder, {.threads = run.plan.threads, .isa = run.plan.isa});
    // What it took is behind us then, and known.
    run.plan.reading_bytes = work.finish(cut(run, parts, text)).peak_bytes;
    std::ofstream(record) << made;
  }
  run.model = folder;
  return run;
}

}  // namespace hone::cli
