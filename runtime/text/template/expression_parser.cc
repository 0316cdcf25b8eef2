#include "runtime/text/template/expression_parser.hpp"

#include <algorithm>
#include <charconv>

#include "runtime/text/template/characters.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::jinja {
namespace {

ExprRef boxed(Expr expr) { return std::make_unique<const Expr>(std::move(expr)); }

bool is_reserved(std::string_view name) {
  constexpr std::string_view words[] = {"and", "or", "not", "in", "is", "if", "else", "elif"};
  return std::find(std::begin(words), std::end(words), name) != std::end(words);
}

std::string description(const Token& token) {
  switch (token.kind) {
    case Token::Kind::end:
      return "the template's end";
    case Token::Kind::end_output:
      return "'}}'";
    case Token::Kind::end_block:
      return "'%}'";
    case Token::Kind::text:
      return "the text " + quoted(token.text);
    default:
      return quoted(token.text);
  }
}

}  // namespace

Error ExpressionParser::wrong(const std::string& what) const { return at(token().place, {Code::bad_file, what}); }

Error ExpressionParser::expected(const std::string& what) const {
  return wrong("expected is " + what + ", not " + description(token()));
}

Error ExpressionParser::nested_too_deeply() const {
  return wrong("blocks and brackets are nested deeper than " + std::to_string(deepest) + " levels");
}

Result<void> ExpressionParser::need_mark(std::string_view mark) {
  if (take_mark(mark)) return {};
  return expected("'" + std::string(mark) + "'");
}

Result<std::string> ExpressionParser::need_name(const std::string& what) {
  if (!sees(Token::Kind::name)) return expected(what);
  return take().text;
}

NameId ExpressionParser::id_of(const std::string& name) {
  const auto [found, fresh] = ids_.emplace(name, static_cast<NameId>(names_.size()));
  if (fresh) names_.push_back(name);
  return found->second;
}

Result<Expr> ExpressionParser::expression() {
  const Level level(depth_);
  return level.too_deep() ? Result<Expr>(nested_too_deeply()) : choice();
}

Result<Expr> ExpressionParser::expression_without_choice() {
  const Level level(depth_);
  return level.too_deep() ? Result<Expr>(nested_too_deeply()) : any();
}

Result<Expr> ExpressionParser::expressions(bool choice) {
  const Place place = token().place;
  auto first = choice ? expression() : expression_without_choice();
  if (!first || !sees_mark(",")) return first;
  ListExpr tuple{{}, List::Kind::tuple};
  tuple.items.push_back(std::move(*first));
  while (take_mark(",")) {
    if (sees(Token::Kind::end_block) || sees(Token::Kind::end_output) || sees_mark(")") || sees_mark("]")) break;
    auto next = choice ? expression() : expression_without_choice();
    if (!next) return next;
    tuple.items.push_back(std::move(*next));
  }
  return Expr{place, std::move(tuple)};
}

Result<Expr> ExpressionParser::choice() {
  auto value = any();
  while (value && sees_name("if")) {
    if (!add_link()) return nested_too_deeply();
    const Place place = take().place;
    auto condition = any();
    if (!condition) return condition;
    Choice made{boxed(std::move(*condition)), boxed(std::move(*value)), nullptr};
    if (take_name("else")) {
      auto otherwise = expression();
      if (!otherwise) return otherwise;
      made.no = boxed(std::move(*otherwise));
    }
    value = Expr{place, std::move(made)};
  }
  return value;
}

template <class Next>
Result<Expr> ExpressionParser::logic(std::string_view word, bool all, Next next) {
  const Place place = token().place;
  auto first = next();
  if (!first || !sees_name(word)) return first;
  Logic made{{}, all};
  made.operands.push_back(std::move(*first));
  while (take_name(word)) {
    auto operand = next();
    if (!operand) return operand;
    made.operands.push_back(std::move(*operand));
  }
  return Expr{place, std::move(made)};
}

Result<Expr> ExpressionParser::any() {
  return logic("or", false, [this] { return all(); });
}

Result<Expr> ExpressionParser::all() {
  return logic("and", true, [this] { return negation(); });
}

Result<Expr> ExpressionParser::negation() {
  if (!sees_name("not")) return comparison();
  const Level level(depth_);
  if (level.too_deep()) return nested_too_deeply();
  const Place place = take().place;
  auto of = negation();
  if (!of) return of;
  return Expr{place, Not{boxed(std::move(*of))}};
}

bool ExpressionParser::take_relation(Relation& relation) {
  constexpr std::pair<std::string_view, Relation> marks[] = {{"==", Relation::equal},  {"!=", Relation::unequal},
                                                             {"<", Relation::less},    {"<=", Relation::less_equal},
                                                             {">", Relation::greater}, {">=", Relation::greater_equal}};
  for (const auto& [mark, meant] : marks) {
    if (take_mark(mark)) return relation = meant, true;
  }
  if (take_name("in")) return relation = Relation::in, true;
  const bool not_in = sees_name("not") && tokens_[at_ + 1].kind == Token::Kind::name && tokens_[at_ + 1].text == "in";
  if (not_in) at_ += 2;
  if (not_in) relation = Relation::not_in;
  return not_in;
}

Result<Expr> ExpressionParser::comparison() {
  const Place place = token().place;
  auto first = sum();
  if (!first) return first;
  Comparison made;
  for (Relation relation{}; take_relation(relation);) {
    if (made.operands.empty()) made.operands.push_back(std::move(*first));
    auto operand = sum();
    if (!operand) return operand;
    made.operands.push_back(std::move(*operand));
    made.relations.push_back(relation);
  }
  if (made.operands.empty()) return first;
  return Expr{place, std::move(made)};
}

template <std::size_t count, class Next>
Result<Expr> ExpressionParser::calculation(const std::pair<std::string_view, Arithmetic> (&operators)[count],
                                           Next next) {
  const Place place = token().place;
  auto first = next();
  if (!first) return first;
  Calculation made;
  const auto known = [&] {
    return std::find_if(std::begin(operators), std::end(operators), [&](auto& each) { return take_mark(each.first); });
  };
  for (auto found = known(); found != std::end(operators); found = known()) {
    if (made.operands.empty()) made.operands.push_back(std::move(*first));
    auto operand = next();
    if (!operand) return operand;
    made.operands.push_back(std::move(*operand));
    made.operators.push_back(found->second);
  }
  if (made.operands.empty()) return first;
  return Expr{place, std::move(made)};
}

Result<Expr> ExpressionParser::sum() {
  return calculation({{"+", Arithmetic::add}, {"-", Arithmetic::subtract}}, [this] { return concat(); });
}

Result<Expr> ExpressionParser::concat() {
  const Place place = token().place;
  auto first = product();
  if (!first || !sees_mark("~")) return first;
  Concat made;
  made.operands.push_back(std::move(*first));
  while (take_mark("~")) {
    auto operand = product();
    if (!operand) return operand;
    made.operands.push_back(std::move(*operand));
  }
  return Expr{place, std::move(made)};
}

Result<Expr> ExpressionParser::product() {
  return calculation({{"*", Arithmetic::multiply},
                      {"/", Arithmetic::divide},
                      {"//", Arithmetic::floor_divide},
                      {"%", Arithmetic::remainder}},
                     [this] { return power(); });
}

Result<Expr> ExpressionParser::power() {
  return calculation({{"**", Arithmetic::power}}, [this] { return unary(); });
}

Result<Expr> ExpressionParser::unary(bool with_filters) {
  const Place place = token().place;
  const bool negative = take_mark("-");
  if (!negative && !take_mark("+")) {
    auto value = primary();
    return value ? postfixes(std::move(*value), with_filters) : std::move(value);
  }
  const Level level(depth_);
  if (level.too_deep()) return nested_too_deeply();
  auto of = unary(false);
  if (!of) return of;
  Expr signed_value = negative ? Expr{place, Negative{boxed(std::move(*of))}} : std::move(*of);
  return postfixes(std::move(signed_value), with_filters);
}

Result<Expr> ExpressionParser::primary() {
  const Place place = token().place;
  if (sees(Token::Kind::name)) return word();
  if (sees(Token::Kind::whole) || sees(Token::Kind::real)) return number();
  if (sees(Token::Kind::text)) {
    std::string text;
    while (sees(Token::Kind::text)) text += take().text;  // "a" "b" is one text
    return Expr{place, Literal{text_value(std::move(text), Author::model_maker)}};
  }
  if (take_mark("(")) return brackets();
  if (take_mark("[")) return list();
  if (take_mark("{")) return dict();
  return expected("a value");
}

Result<Expr> ExpressionParser::word() {
  if (is_reserved(token().text)) return expected("a value");
  const Token name = take();
  const auto literal = [&](Value value) { return Expr{name.place, Literal{std::move(value)}}; };
  if (name.text == "true" || name.text == "True") return literal(true);
  if (name.text == "false" || name.text == "False") return literal(false);
  if (name.text == "none" || name.text == "None") return literal(None());
  return Expr{name.place, Variable{id_of(name.text)}};
}

Result<Expr> ExpressionParser::number() {
  const Token digits = take();
  const char *begin = digits.text.data(), *end = begin + digits.text.size();
  std::int64_t whole = 0;
  double real = 0;
  const bool is_whole = digits.kind == Token::Kind::whole;
  if (is_whole && std::from_chars(begin, end, whole).ec != std::errc()) {
    return at(digits.place, {Code::bad_file, "the number is too large"});
  }
  if (!is_whole) real = real_number(digits.text);
  return Expr{digits.place, Literal{is_whole ? Value(whole) : Value(real)}};
}

Result<Expr> ExpressionParser::brackets() {
  const Place place = token().place;
  if (take_mark(")")) return Expr{place, ListExpr{{}, List::Kind::tuple}};
  auto inner = expressions();
  if (!inner) return inner;
  if (const auto closed = need_mark(")"); !closed) return closed.error();
  return inner;
}

Result<Expr> ExpressionParser::list() {
  const Place place = token().place;
  ListExpr made{{}, List::Kind::list};
  while (!sees_mark("]")) {
    auto item = expression();
    if (!item) return item;
    made.items.push_back(std::move(*item));
    if (!take_mark(",")) break;
  }
  if (const auto closed = need_mark("]"); !closed) return closed.error();
  return Expr{place, std::move(made)};
}

Result<Expr> ExpressionParser::dict() {
  const Place place = token().place;
  DictExpr made;
  while (!sees_mark("}")) {
    auto key = expression();
    if (!key) return key;
    if (const auto colon = need_mark(":"); !colon) return colon.error();
    auto value = expression();
    if (!value) return value;
    made.keys.push_back(std::move(*key));
    made.values.push_back(std::move(*value));
    if (!take_mark(",")) break;
  }
  if (const auto closed = need_mark("}"); !closed) return closed.error();
  return Expr{place, std::move(made)};
}

Result<Expr> ExpressionParser::postfixes(Expr of, bool with_filters) {
  Result<Expr> value = std::move(of);
  while (value) {
    const bool plain = sees_mark(".") || sees_mark("[") || sees_mark("(");
    if (!plain && !(with_filters && (sees_mark("|") || sees_name("is")))) break;
    if (!add_link()) return nested_too_deeply();
    value = postfix(std::move(*value));
  }
  return value;
}

Result<Expr> ExpressionParser::postfix(Expr of) {
  const Place place = token().place;
  if (take_name("is")) return test(std::move(of));
  if (take_mark("[")) return subscript(std::move(of));
  if (take_mark("(")) {
    auto given = arguments();
    if (!given) return given.error();
    return Expr{place, CallExpr{boxed(std::move(of)), std::move(*given)}};
  }
  if (take_mark("|")) {
    auto use = filter();
    if (!use) return use.error();
    return Expr{place, FilterExpr{boxed(std::move(of)), std::move(*use)}};
  }
  (void)take();  // the point
  if (sees(Token::Kind::whole)) {
    auto index = number();
    if (!index) return index;
    return Expr{place, Element{boxed(std::move(of)), boxed(std::move(*index))}};
  }
  auto name = need_name("an attribute's name");
  if (!name) return name.error();
  return Expr{place,
              Attribute{boxed(std::move(of)), std::make_shared<const Text>(std::move(*name), Author::model_maker)}};
}

Result<ExprRef> ExpressionParser::bound_of_slice() {
  if (sees_mark(":") || sees_mark("]")) return ExprRef();
  auto value = expression();
  if (!value) return value.error();
  return boxed(std::move(*value));
}

Result<Expr> ExpressionParser::subscript(Expr of) {
  const Place place = token().place;
  auto start = bound_of_slice();
  if (!start) return start.error();
  if (take_mark("]")) {
    if (*start == nullptr) return wrong("a number, a key or a slice is missing in brackets");
    return Expr{place, Element{boxed(std::move(of)), std::move(*start)}};
  }
  if (const auto colon = need_mark(":"); !colon) return colon.error();
  auto stop = bound_of_slice();
  if (!stop) return stop.error();
  auto step = take_mark(":") ? bound_of_slice() : Result<ExprRef>(ExprRef());
  if (!step) return step.error();
  if (const auto closed = need_mark("]"); !closed) return closed.error();
  return Expr{place, SliceExpr{boxed(std::move(of)), std::move(*start), std::move(*stop), std::move(*step)}};
}

Result<ArgumentExprs> ExpressionParser::arguments() {
  ArgumentExprs out;
  while (!sees_mark(")")) {
    if (sees_mark("*") || sees_mark("**")) return wrong("lists of arguments with '*' are not supported");
    const bool named =
        sees(Token::Kind::name) && tokens_[at_ + 1].kind == Token::Kind::mark && tokens_[at_ + 1].text == "=";
    if (!named && !out.names.empty()) return wrong("an argument without a name follows one with a name");
    if (named) out.names.push_back(take().text);
    if (named) (void)take();
    auto value = expression();
    if (!value) return value.error();
    out.values.push_back(std::move(*value));
    if (!take_mark(",")) break;
  }
  if (const auto closed = need_mark(")"); !closed) return closed.error();
  return out;
}

Result<Use> ExpressionParser::filter() {
  const Place place = token().place;
  auto name = need_name("a filter's name");
  if (!name) return name.error();
  Use use{find_filter(*name), std::move(*name), {}, place};
  if (take_mark("(")) {
    auto given = arguments();
    if (!given) return given.error();
    use.arguments = std::move(*given);
  }
  return use;
}

/// Whether a test's argument stands there, without brackets.
bool ExpressionParser::sees_argument() const {
  if (sees(Token::Kind::name)) return !is_reserved(token().text);
  return sees(Token::Kind::text) || sees(Token::Kind::whole) || sees(Token::Kind::real) || sees_mark("[") ||
         sees_mark("{");
}

Result<Expr> ExpressionParser::test(Expr of) {
  const Place place = token().place;
  const bool negated = take_name("not");
  std::string name = sees_name("in") ? take().text : std::string();
  if (name.empty()) {
    auto given = need_name("a test's name");
    if (!given) return given.error();
    name = std::move(*given);
  }
  Use use{find_test(name), name, {}, place};
  if (take_mark("(")) {
    auto given = arguments();
    if (!given) return given.error();
    use.arguments = std::move(*given);
  } else if (sees_argument()) {
    auto argument = primary();
    if (argument) argument = postfixes(std::move(*argument), false);
    if (!argument) return argument;
    use.arguments.values.push_back(std::move(*argument));
  }
  return Expr{place, TestExpr{boxed(std::move(of)), std::move(use), !negated}};
}

}  // namespace troupe::jinja
