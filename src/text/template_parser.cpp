#include "text/template_parser.hpp"

#include <algorithm>
#include <array>

#include "text/template_expressions.hpp"
#include "text/template_names.hpp"

namespace hone::jinja {
namespace {

using Kind = Statement::Kind;

class Parser {
 public:
  Parser(std::span<const Token> tokens, Work& work) : e_(tokens, work) {}

  Statements all() {
    Statements body = statements({});
    if (e_.token().kind != Token::Kind::end) unexpected_end(e_.token());
    return body;
  }

 private:
  using Stops = std::initializer_list<std::string_view>;

  // Up to a block that begins with one of `stops`, whose {% is taken, or to the template's end.
  Statements statements(Stops stops) {
    e_.work().at(e_.token().offset);
    const Deeper deeper(depth_, e_.work());
    Statements body;
    for (;;) {
      const Token& t = e_.token();
      if (t.kind == Token::Kind::end) return body;
      if (t.kind == Token::Kind::data) {
        Statement& s = body.emplace_back();
        s.offset = t.offset;
        s.text = e_.take().text;
      } else if (t.kind == Token::Kind::output_begin) {
        body.push_back(output());
      } else {
        if (std::any_of(stops.begin(), stops.end(), [&](auto stop) { return e_.next_token().is(stop); })) {
          e_.take();
          return body;
        }
        body.push_back(statement());
      }
    }
  }

  // The body of a block, and the word of the block that ends it; what opened it stands at `opening`.
  std::pair<Statements, std::string> body_to(Stops stops, const Token& opening) {
    e_.expect(Token::Kind::block_end, "'%}'");
    Statements body = statements(stops);
    if (e_.token().kind == Token::Kind::end)
      e_.fail("{% " + opening.text + " %} without {% end" + opening.text + " %}", opening);
    return {std::move(body), e_.take().text};
  }

  Statements body_to_end(std::string_view stop, const Token& opening) {
    return body_to({stop}, opening).first;
  }

  Statement output() {
    Statement s;
    s.kind = Kind::output;
    s.offset = e_.take().offset;
    s.expression = e_.tuple();
    e_.expect(Token::Kind::output_end, "'}}'");
    return s;
  }

  Statement statement() {
    e_.take();
    const Token word = e_.token();
    if (word.kind != Token::Kind::name) e_.fail_unexpected("the name of a statement");
    e_.take();
    Statement s = (this->*reader_of(word))(word);
    s.offset = word.offset;
    e_.expect(Token::Kind::block_end, "'%}'");
    return s;
  }

  using Reader = Statement (Parser::*)(const Token& word);
  struct Known {
    std::string_view word;
    Reader reader;
  };

  Reader reader_of(const Token& word) {
    static constexpr std::array known{
        Known{"set", &Parser::set},      Known{"for", &Parser::loop},
        Known{"if", &Parser::condition}, Known{"macro", &Parser::macro},
        Known{"call", &Parser::call},    Known{"filter", &Parser::filter},
        Known{"with", &Parser::with},    Known{"generation", &Parser::generation},
        Known{"break", &Parser::leave},  Known{"continue", &Parser::leave}};
    std::vector<std::string> names;
    for (const Known& k : known) {
      if (k.word == word.text) return k.reader;
      names.emplace_back(k.word);
    }
    if (word.text.starts_with("end") || word.text == "else" || word.text == "elif") unexpected_end(word);
    e_.fail("the statement '" + word.text + "' is not known here" + like(word.text, names), word);
  }

  [[noreturn]] void unexpected_end(const Token& word) {
    e_.fail("{% " + word.text + " %} ends nothing that is open here", word);
  }

  Statement set(const Token& word) {
    Statement s;
    s.kind = Kind::set;
    s.target = e_.target("=");
    if (e_.take_if("=")) {
      s.expression = e_.tuple();
      return s;
    }
    s.kind = Kind::set_block;
    s.expression = e_.filters(nullptr);
    s.body = body_to_end("endset", word);
    return s;
  }

  Statement loop(const Token& word) {
    Statement s;
    s.kind = Kind::loop;
    s.target = e_.target("in");
    e_.expect("in");
    s.expression = e_.tuple(false, "recursive");
    if (e_.take_if("if")) s.condition = e_.expression();
    if (e_.token().is("recursive")) e_.fail("a recursive loop is not known here", e_.token());
    ++loops_;
    auto [body, stop] = body_to({"endfor", "else"}, word);
    --loops_;
    s.body = std::move(body);
    if (stop == "else") s.otherwise = body_to_end("endfor", word);
    return s;
  }

  // elif is an if within the else; a chain of them is no depth of the template's, but is of ours.
  Statement condition(const Token& word) {
    const Deeper deeper(branches_, e_.work(), 8 * deepest);
    Statement s;
    s.kind = Kind::condition;
    s.offset = word.offset;
    s.expression = e_.tuple(false);
    auto [body, stop] = body_to({"elif", "else", "endif"}, word);
    s.body = std::move(body);
    if (stop == "else") s.otherwise = body_to_end("endif", word);
    if (stop == "elif") s.otherwise.push_back(condition(word));
    return s;
  }

  void parameters(Statement& s) {
    e_.expect("(");
    while (!e_.token().is(")")) {
      std::string name = e_.expect_name("the name of a parameter");
      ExpressionPtr standard = e_.take_if("=") ? e_.expression() : nullptr;
      s.parameters.emplace_back(std::move(name), std::move(standard));
      if (!e_.token().is(")")) e_.expect(",");
    }
    e_.expect(")");
  }

  Statement macro(const Token& word) {
    Statement s;
    s.kind = Kind::macro;
    s.text = e_.expect_name("the name of a macro");
    parameters(s);
    body_of_calls(s, "endmacro", word);
    return s;
  }

  Statement call(const Token& word) {
    Statement s;
    s.kind = Kind::call;
    if (e_.token().is("(")) parameters(s);
    const Token at = e_.token();
    s.expression = e_.expression();
    if (s.expression->kind != Expression::Kind::call) e_.fail("{% call %} wants a call", at);
    body_of_calls(s, "endcall", word);
    return s;
  }

  // A body that is run at another time.
  void body_of_calls(Statement& s, std::string_view stop, const Token& word) {
    const int loops = std::exchange(loops_, 0);
    const std::size_t begin = e_.at();
    s.body = body_to_end(stop, word);
    loops_ = loops;
    s.takes_more = e_.has_name_since(begin, "varargs");
    s.takes_more_named = e_.has_name_since(begin, "kwargs");
    s.takes_caller = e_.has_name_since(begin, "caller");
  }

  Statement filter(const Token& word) {
    Statement s;
    s.kind = Kind::filter;
    s.expression = e_.first_filter();
    s.body = body_to_end("endfilter", word);
    return s;
  }

  Statement with(const Token& word) {
    Statement s;
    s.kind = Kind::with;
    while (e_.token().kind != Token::Kind::block_end) {
      if (!s.parameters.empty()) e_.expect(",");
      std::string name = e_.expect_name("a name to assign to");
      e_.expect("=");
      s.parameters.emplace_back(std::move(name), e_.expression());
    }
    s.body = body_to_end("endwith", word);
    return s;
  }

  Statement generation(const Token& word) {
    Statement s;
    s.kind = Kind::generation;
    s.body = body_to_end("endgeneration", word);
    return s;
  }

  Statement leave(const Token& word) {
    if (loops_ == 0) e_.fail("{% " + word.text + " %} outside of a loop", word);
    Statement s;
    s.kind = word.text == "break" ? Kind::break_loop : Kind::continue_loop;
    return s;
  }

  ExpressionParser e_;
  int depth_ = 0, branches_ = 0, loops_ = 0;
};

}  // namespace

Statements parse(std::string_view source, Work& work) {
  const std::vector<Token> tokens = tokens_of(source, work);
  return Parser(tokens, work).all();
}

}  // namespace hone::jinja
