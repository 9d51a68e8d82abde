#include "text/template_expressions.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "hone/nearest.hpp"
#include "text/template_names.hpp"

namespace hone::jinja {
namespace {

ExpressionPtr make(Expression::Kind kind, std::uint32_t offset, std::string text,
                   std::vector<ExpressionPtr> parts = {}, std::vector<Argument> arguments = {}) {
  auto e = std::make_unique<Expression>();
  e->kind = kind;
  e->offset = offset;
  e->text = std::move(text);
  e->parts = std::move(parts);
  e->arguments = std::move(arguments);
  return e;
}

template <class... Part>
std::vector<ExpressionPtr> parts(Part... part) {
  std::vector<ExpressionPtr> all;
  (all.push_back(std::move(part)), ...);
  return all;
}

ExpressionPtr constant(std::uint32_t offset, Value value) {
  auto e = std::make_unique<Expression>();
  e->offset = offset;
  e->constant = std::move(value);
  return e;
}

std::string shown(const Token& t) {
  using Kind = Token::Kind;
  if (t.kind == Kind::data) return "text";
  if (t.kind == Kind::output_begin) return "{{";
  if (t.kind == Kind::output_end) return "}}";
  if (t.kind == Kind::block_begin) return "{%";
  if (t.kind == Kind::block_end) return "%}";
  if (t.kind == Kind::end) return "the template's end";
  return "'" + t.text + "'";
}

}  // namespace

Token ExpressionParser::take() {
  const Token& t = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return t;
}

bool ExpressionParser::has_name_since(std::size_t at, std::string_view name) const {
  const auto part = tokens_.subspan(at, at_ - at);
  return std::ranges::any_of(part, [&](const Token& t) { return t.kind == Token::Kind::name && t.is(name); });
}

bool ExpressionParser::take_if(std::string_view what) {
  if (!token().is(what)) return false;
  take();
  return true;
}

void ExpressionParser::expect(std::string_view what) {
  if (!take_if(what)) fail_unexpected("'" + std::string(what) + "'");
}

void ExpressionParser::expect(Token::Kind kind, const char* what) {
  if (token().kind != kind) fail_unexpected(what);
  take();
}

std::string ExpressionParser::expect_name(const char* what) {
  if (token().kind != Token::Kind::name) fail_unexpected(what);
  return take().text;
}

void ExpressionParser::fail(const std::string& what, const Token& at) {
  work_.at(at.offset);
  work_.fail(what);
}

void ExpressionParser::fail_unexpected(const std::string& expected) {
  fail("expected " + expected + ", found " + shown(token()), token());
}

ExpressionPtr ExpressionParser::expression(bool with_ternary) {
  work_.at(token().offset);
  const Deeper deeper(depth_, work_);
  ExpressionPtr e = disjunction();
  while (with_ternary && token().is("if")) {
    const std::uint32_t offset = take().offset;
    ExpressionPtr condition = disjunction();
    ExpressionPtr otherwise = take_if("else") ? expression() : nullptr;
    e = make(Kind::ternary, offset, "", parts(std::move(condition), std::move(e), std::move(otherwise)));
  }
  return e;
}

// A chain of one precedence is one node, so that its length is no depth.
template <class Next>
ExpressionPtr ExpressionParser::left_to_right(const Next& next,
                                              std::initializer_list<std::string_view> operators) {
  ExpressionPtr first = next();
  const auto continues = [&] {
    return std::any_of(operators.begin(), operators.end(), [&](auto o) { return token().is(o); });
  };
  if (!continues()) return first;
  auto e = std::make_unique<Expression>();
  e->kind = Kind::binary;
  e->offset = token().offset;
  e->parts.push_back(std::move(first));
  while (continues()) {
    e->names.push_back(take().text);
    e->parts.push_back(next());
  }
  return e;
}

ExpressionPtr ExpressionParser::disjunction() {
  return left_to_right([this] { return conjunction(); }, {"or"});
}
ExpressionPtr ExpressionParser::conjunction() {
  return left_to_right([this] { return negation(); }, {"and"});
}

ExpressionPtr ExpressionParser::negation() {
  if (!token().is("not")) return comparison();
  const Deeper deeper(depth_, work_);
  const std::uint32_t offset = take().offset;
  return make(Kind::unary, offset, "not", parts(negation()));
}

ExpressionPtr ExpressionParser::comparison() {
  constexpr std::array<std::string_view, 7> operators{"==", "!=", "<", "<=", ">", ">=", "in"};
  auto e = std::make_unique<Expression>();
  e->kind = Kind::compare;
  e->offset = token().offset;
  e->parts.push_back(sum());
  for (;;) {
    const bool is_not_in = token().is("not") && next_token().is("in");
    if (!is_not_in && std::none_of(operators.begin(), operators.end(), [&](auto o) { return token().is(o); }))
      break;
    if (is_not_in) take();
    e->names.push_back(is_not_in ? "not in" : token().text);
    take();
    e->parts.push_back(sum());
  }
  if (e->names.empty()) return std::move(e->parts.front());
  return e;
}

ExpressionPtr ExpressionParser::sum() {
  return left_to_right([this] { return concatenation(); }, {"+", "-"});
}
ExpressionPtr ExpressionParser::concatenation() {
  return left_to_right([this] { return product(); }, {"~"});
}
ExpressionPtr ExpressionParser::product() {
  return left_to_right([this] { return power(); }, {"*", "/", "//", "%"});
}
ExpressionPtr ExpressionParser::power() {
  return left_to_right([this] { return unary(); }, {"**"});
}

ExpressionPtr ExpressionParser::unary(bool with_filters) {
  ExpressionPtr e;
  if (token().is("-") || token().is("+")) {
    const Deeper deeper(depth_, work_);
    const Token t = take();
    e = make(Kind::unary, t.offset, t.text, parts(unary(false)));
  } else {
    e = primary();
  }
  e = postfix(std::move(e));
  return with_filters ? filters(std::move(e)) : std::move(e);
}

ExpressionPtr ExpressionParser::primary() {
  const Token& t = token();
  if (t.kind == Token::Kind::name) return named();
  if (t.kind == Token::Kind::string) return string();
  if (t.kind == Token::Kind::integer || t.kind == Token::Kind::real) return number();
  if (t.is("(")) return parenthesized();
  if (t.is("[")) return list();
  if (t.is("{")) return dict();
  fail_unexpected("an expression");
}

ExpressionPtr ExpressionParser::named() {
  const Token t = take();
  if (t.text == "true" || t.text == "True") return constant(t.offset, true);
  if (t.text == "false" || t.text == "False") return constant(t.offset, false);
  if (t.text == "none" || t.text == "None") return constant(t.offset, Value());
  return make(Kind::name, t.offset, t.text);
}

ExpressionPtr ExpressionParser::number() {
  const Token t = take();
  if (t.kind == Token::Kind::real) return constant(t.offset, std::strtod(t.text.c_str(), nullptr));
  const char letter = t.text.size() > 2 ? t.text[1] : '\0';  // 0x1f, 0o17, 0b101
  const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
  std::int64_t value = 0;
  if (std::from_chars(t.text.data() + (base == 10 ? 0 : 2), t.text.data() + t.text.size(), value, base).ec !=
      std::errc())
    fail("a whole number of more than 64 bits", t);
  return constant(t.offset, value);
}

ExpressionPtr ExpressionParser::string() {
  const std::uint32_t offset = token().offset;
  std::string text;
  while (token().kind == Token::Kind::string) text += take().text;
  return constant(offset, std::move(text));
}

ExpressionPtr ExpressionParser::parenthesized() {
  const Token t = take();
  ExpressionPtr inside = token().is(")") ? make(Kind::tuple, t.offset, "") : tuple();
  expect(")");
  return inside;
}

ExpressionPtr ExpressionParser::tuple(bool with_ternary, std::string_view stop) {
  const std::uint32_t offset = token().offset;
  std::vector<ExpressionPtr> all;
  bool commas = false;
  const auto ends = [&] {
    const Token::Kind kind = token().kind;
    return kind == Token::Kind::output_end || kind == Token::Kind::block_end || token().is(")") ||
           (!stop.empty() && token().is(stop));
  };
  do {
    if (!all.empty() && ends()) break;
    all.push_back(expression(with_ternary));
    commas = commas || token().is(",");
  } while (take_if(","));
  if (!commas) return std::move(all.front());
  return make(Kind::tuple, offset, "", std::move(all));
}

ExpressionPtr ExpressionParser::list() {
  const std::uint32_t offset = take().offset;
  std::vector<ExpressionPtr> all;
  while (!token().is("]")) {
    all.push_back(expression());
    if (!token().is("]")) expect(",");
  }
  expect("]");
  return make(Kind::list, offset, "", std::move(all));
}

ExpressionPtr ExpressionParser::dict() {
  const std::uint32_t offset = take().offset;
  std::vector<ExpressionPtr> all;
  while (!token().is("}")) {
    all.push_back(expression());
    expect(":");
    all.push_back(expression());
    if (!token().is("}")) expect(",");
  }
  expect("}");
  return make(Kind::dict, offset, "", std::move(all));
}

// Calls, members and filters one behind the other nest, so their number is bounded like depth.
ExpressionPtr ExpressionParser::postfix(ExpressionPtr of) {
  for (int links = 0;; ++links) {
    if (links > deepest) fail("too many members and calls in a row", token());
    if (token().is(".") || token().is("["))
      of = subscript(std::move(of));
    else if (token().is("("))
      of = call(std::move(of));
    else
      return of;
  }
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr of) {
  for (int links = 0;; ++links) {
    if (links > deepest) fail("too many filters in a row", token());
    if (take_if("|"))
      of = filter(std::move(of));
    else if (token().is("is"))
      of = test(std::move(of));
    else if (token().is("("))
      of = call(std::move(of));
    else
      return of;
  }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr of) {
  const Token t = take();
  if (t.text == ".") {
    if (token().kind == Token::Kind::integer)
      return make(Kind::item, t.offset, "", parts(std::move(of), number()));
    return make(Kind::attribute, t.offset, expect_name("the name of a member"), parts(std::move(of)));
  }
  std::vector<ExpressionPtr> range;
  bool slice = false;
  const auto bound = [&] { return token().is(":") || token().is("]") ? nullptr : expression(); };
  range.push_back(bound());
  while (range.size() < 3 && take_if(":")) {
    slice = true;
    range.push_back(bound());
  }
  if (!slice && !range.front()) fail_unexpected("an index");
  expect("]");
  if (!slice) return make(Kind::item, t.offset, "", parts(std::move(of), std::move(range.front())));
  range.resize(3);
  return make(Kind::slice, t.offset, "",
              parts(std::move(of), std::move(range[0]), std::move(range[1]), std::move(range[2])));
}

ExpressionPtr ExpressionParser::call(ExpressionPtr of) {
  const std::uint32_t offset = token().offset;
  std::vector<Argument> all = arguments();
  return make(Kind::call, offset, "", parts(std::move(of)), std::move(all));
}

std::vector<Argument> ExpressionParser::arguments() {
  expect("(");
  std::vector<Argument> all;
  while (!token().is(")")) {
    Argument a;
    if (token().is("*") || token().is("**")) {
      a.kind = take().text == "*" ? Argument::Kind::spread : Argument::Kind::spread_named;
    } else if (token().kind == Token::Kind::name && next_token().is("=")) {
      a.kind = Argument::Kind::named;
      a.name = take().text;
      take();
    } else if (!all.empty() && all.back().kind != Argument::Kind::positional) {
      fail("an argument without a name follows one that has one", token());
    }
    a.value = expression();
    all.push_back(std::move(a));
    if (!token().is(")")) expect(",");
  }
  expect(")");
  return all;
}

std::string ExpressionParser::dotted_name(const char* what) {
  std::string name = expect_name(what);
  while (take_if(".")) name += "." + expect_name(what);
  return name;
}

ExpressionPtr ExpressionParser::first_filter() { return filters(filter(nullptr)); }

ExpressionPtr ExpressionParser::filter(ExpressionPtr of) {
  const Token at = token();
  const std::string name = dotted_name("the name of a filter");
  if (!has_filter(name)) fail("the filter '" + name + "' is not known here" + like(name, filter_names()), at);
  std::vector<Argument> all;
  if (token().is("(")) all = arguments();
  return make(Kind::filter, at.offset, name, parts(std::move(of)), std::move(all));
}

bool ExpressionParser::begins_argument() const {
  const Token& t = token();
  if (t.kind == Token::Kind::name)
    return !t.is("else") && !t.is("or") && !t.is("and") && !t.is("is") && !t.is("if");
  return t.kind == Token::Kind::string || t.kind == Token::Kind::integer || t.kind == Token::Kind::real ||
         t.is("[") || t.is("{");
}

ExpressionPtr ExpressionParser::test(ExpressionPtr of) {
  take();
  const bool negated = take_if("not");
  const Token at = token();
  const std::string name = dotted_name("the name of a test");
  if (!has_test(name)) fail("the test '" + name + "' is not known here" + like(name, test_names()), at);
  std::vector<Argument> all;
  if (token().is("(")) {
    all = arguments();
  } else if (begins_argument()) {
    Argument a;
    a.value = postfix(primary());
    all.push_back(std::move(a));
  }
  ExpressionPtr e = make(Kind::test, at.offset, name, parts(std::move(of)), std::move(all));
  return negated ? make(Kind::unary, at.offset, "not", parts(std::move(e))) : std::move(e);
}

Target ExpressionParser::target(std::string_view stop) {
  const Deeper deeper(depth_, work_);
  Target all;
  do {
    if (!all.parts.empty() && (token().is(stop) || token().is(")"))) break;
    all.parts.push_back(one_target(stop == "="));
    all.unpacks = all.unpacks || token().is(",");
  } while (take_if(","));
  return all.unpacks ? all : Target(all.parts.front());
}

Target ExpressionParser::one_target(bool of_namespaces) {
  if (take_if("(")) {
    Target inside = target(")");
    expect(")");
    return inside;
  }
  Target one{.name = expect_name("a name to assign to")};
  if (of_namespaces && take_if(".")) one.member = expect_name("the name of a member");
  return one;
}

}  // namespace hone::jinja
