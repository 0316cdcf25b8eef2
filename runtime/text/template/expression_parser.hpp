#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/template/tree.hpp"

namespace troupe::jinja {

/// Reads expressions from tokens, one after the other, by Jinja2's precedences. What reads statements is built on it.
class ExpressionParser {
 protected:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  [[nodiscard]] const Token& token() const { return tokens_[at_]; }
  [[nodiscard]] bool sees(Token::Kind kind) const { return token().kind == kind; }
  [[nodiscard]] bool sees_mark(std::string_view mark) const { return sees(Token::Kind::mark) && token().text == mark; }
  [[nodiscard]] bool sees_name(std::string_view name) const { return sees(Token::Kind::name) && token().text == name; }
  /// The token; the one behind it comes next, but nothing comes behind the last.
  Token take() { return sees(Token::Kind::end) ? token() : std::move(tokens_[at_++]); }
  bool take_mark(std::string_view mark) { return sees_mark(mark) && (++at_, true); }
  bool take_name(std::string_view name) { return sees_name(name) && (++at_, true); }

  [[nodiscard]] Error wrong(const std::string& what) const;     ///< at the next token
  [[nodiscard]] Error expected(const std::string& what) const;  ///< the same, saying what stands there
  [[nodiscard]] Result<void> need_mark(std::string_view mark);
  [[nodiscard]] Result<std::string> need_name(const std::string& what);
  [[nodiscard]] NameId id_of(const std::string& name);

  [[nodiscard]] Result<Expr> expression();
  /// One without `if … else` of its own.
  [[nodiscard]] Result<Expr> expression_without_choice();
  /// One, or several with commas between them, which are a tuple; `choice`: whether each may have an `if … else`.
  [[nodiscard]] Result<Expr> expressions(bool choice = true);
  [[nodiscard]] Result<ArgumentExprs> arguments();  ///< behind the bracket, which is read to its end
  [[nodiscard]] Result<Use> filter();               ///< behind '|'

  /// What bounds recursion, here and when the tree is rendered.
  class Level {
   public:
    explicit Level(std::uint32_t& depth) : depth_(++depth) {}
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    [[nodiscard]] bool too_deep() const { return depth_ > deepest; }

   private:
    std::uint32_t& depth_;
  };
  static constexpr std::uint32_t deepest = 100;
  /// Filters, calls and elements behind values, each of which makes a tree deeper without any recursion.
  static constexpr std::uint32_t most_links = 2000;
  [[nodiscard]] bool add_link() { return ++links_ <= most_links; }
  [[nodiscard]] Error nested_too_deeply() const;

  std::uint32_t depth_ = 0;
  std::uint32_t links_ = 0;  ///< of the tag that is read
  std::vector<std::string> names_;

 private:
  template <class Next>
  [[nodiscard]] Result<Expr> logic(std::string_view word, bool all, Next next);
  template <std::size_t count, class Next>
  [[nodiscard]] Result<Expr> calculation(const std::pair<std::string_view, Arithmetic> (&operators)[count], Next next);
  [[nodiscard]] Result<Expr> choice();
  [[nodiscard]] Result<Expr> any();
  [[nodiscard]] Result<Expr> all();
  [[nodiscard]] Result<Expr> negation();
  [[nodiscard]] Result<Expr> comparison();
  [[nodiscard]] Result<Expr> sum();
  [[nodiscard]] Result<Expr> concat();
  [[nodiscard]] Result<Expr> product();
  [[nodiscard]] Result<Expr> power();
  [[nodiscard]] Result<Expr> unary(bool with_filters = true);
  [[nodiscard]] Result<Expr> primary();
  [[nodiscard]] Result<Expr> word();
  [[nodiscard]] Result<Expr> number();
  [[nodiscard]] Result<Expr> brackets();
  [[nodiscard]] Result<Expr> list();
  [[nodiscard]] Result<Expr> dict();
  [[nodiscard]] Result<Expr> postfixes(Expr of, bool with_filters);
  [[nodiscard]] Result<Expr> postfix(Expr of);
  [[nodiscard]] Result<Expr> subscript(Expr of);
  [[nodiscard]] Result<Expr> test(Expr of);
  [[nodiscard]] bool sees_argument() const;
  [[nodiscard]] bool take_relation(Relation& relation);
  [[nodiscard]] Result<ExprRef> bound_of_slice();

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::map<std::string, NameId, std::less<>> ids_;
};

}  // namespace troupe::jinja
