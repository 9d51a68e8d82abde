// Reads expressions, as Jinja's grammar has them, from tokens.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/template_lexer.hpp"
#include "text/template_tree.hpp"

namespace hone::jinja {

class ExpressionParser {
 public:
  ExpressionParser(std::span<const Token> tokens, Work& work) : tokens_(tokens), work_(work) {}

  const Token& token() const { return tokens_[at_]; }
  const Token& next_token() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  std::size_t at() const { return at_; }  // the number of token()
  bool has_name_since(std::size_t at, std::string_view name) const;
  Token take();  // and go on to the next one
  bool take_if(std::string_view sign_or_name);
  void expect(std::string_view sign_or_name);
  void expect(Token::Kind kind, const char* what);
  std::string expect_name(const char* what);
  [[noreturn]] void fail(const std::string& what, const Token& at);
  [[noreturn]] void fail_unexpected(const std::string& expected);

  ExpressionPtr expression(bool with_ternary = true);
  // A tuple where commas follow; ends where `stop`, a name, stands.
  ExpressionPtr tuple(bool with_ternary = true, std::string_view stop = {});
  Target target(std::string_view stop);  // up to a sign or name that is `stop`
  std::vector<Argument> arguments();     // with their parentheses
  // The filters that follow, over `of`, which may be none.
  ExpressionPtr filters(ExpressionPtr of);
  ExpressionPtr first_filter();  // without its |, over nothing, and those that follow
  Work& work() { return work_; }

 private:
  using Kind = Expression::Kind;
  Target one_target(bool of_namespaces);
  ExpressionPtr disjunction();
  ExpressionPtr conjunction();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filters = true);
  ExpressionPtr primary();
  ExpressionPtr named();
  ExpressionPtr number();
  ExpressionPtr string();
  ExpressionPtr parenthesized();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr of);
  ExpressionPtr subscript(ExpressionPtr of);
  ExpressionPtr call(ExpressionPtr of);
  ExpressionPtr filter(ExpressionPtr of);  // behind its |
  ExpressionPtr test(ExpressionPtr of);
  bool begins_argument() const;
  std::string dotted_name(const char* what);
  template <class Next>
  ExpressionPtr left_to_right(const Next& next, std::initializer_list<std::string_view> operators);

  std::span<const Token> tokens_;
  Work& work_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace hone::jinja
