#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/text/template/functions.hpp"
#include "runtime/text/template/lexer.hpp"
#include "runtime/text/template/operators.hpp"

// A parsed template, as plain data.
namespace troupe::jinja {

using NameId = std::uint32_t;  ///< a variable's name: its place in Template::names

struct Expr;
using ExprRef = std::unique_ptr<const Expr>;  ///< where it may be missing, null

struct ArgumentExprs {
  std::vector<Expr> values;
  std::vector<std::string> names;  ///< of the last of them
};
/// A filter or a test, and what it is given.
struct Use {
  const Function* function;  ///< null where there is none of that name, which counts once it is needed
  std::string name;
  ArgumentExprs arguments;
  Place place;
};

struct Literal {
  Value value;
};
struct Variable {
  NameId name;
};
struct ListExpr {
  std::vector<Expr> items;
  List::Kind kind;
};
struct DictExpr {
  std::vector<Expr> keys, values;
};
struct Attribute {  ///< of.name
  ExprRef of;
  TextRef name;
};
struct Element {  ///< of[key]
  ExprRef of, key;
};
struct SliceExpr {  ///< of[start:stop:step]
  ExprRef of, start, stop, step;
};
struct CallExpr {  ///< callee(…)
  ExprRef callee;
  ArgumentExprs arguments;
};
struct FilterExpr {  ///< of | use
  ExprRef of;
  Use use;
};
struct TestExpr {  ///< of is use
  ExprRef of;
  Use use;
  bool wanted;  ///< false: is not
};
struct Not {
  ExprRef of;
};
struct Negative {
  ExprRef of;
};
/// Operators of one precedence, from left to right.
struct Calculation {
  std::vector<Expr> operands;
  std::vector<Arithmetic> operators;  ///< one less
};
enum class Relation : std::uint8_t { equal, unequal, less, less_equal, greater, greater_equal, in, not_in };
/// Python's a < b <= c.
struct Comparison {
  std::vector<Expr> operands;
  std::vector<Relation> relations;  ///< one less
};
struct Logic {  ///< the first that is false (and) or true (or), else the last
  std::vector<Expr> operands;
  bool all;  ///< and
};
struct Concat {  ///< a ~ b ~ c
  std::vector<Expr> operands;
};
struct Choice {  ///< yes if condition else no
  ExprRef condition, yes, no;
};

struct Expr {
  Place place;
  std::variant<Literal, Variable, ListExpr, DictExpr, Attribute, Element, SliceExpr, CallExpr, FilterExpr, TestExpr,
               Not, Negative, Calculation, Comparison, Logic, Concat, Choice>
      node;
};

struct Statement;
using Block = std::vector<Statement>;

/// What is assigned to: a variable, an attribute of a namespace, or several in brackets.
struct Target {
  NameId name = 0;
  std::optional<std::string> attribute{};
  std::vector<Target> several{};  ///< where not empty, the rest counts for nothing
};

struct Data {
  std::string text;
};
struct Output {
  Expr value;
};
struct If {
  std::vector<std::pair<Expr, Block>> branches;
  Block otherwise;
};
struct For {
  Target target;
  Expr over;
  ExprRef condition;
  Block body, otherwise;
};
struct Set {
  Target target;
  Expr value;
};
struct SetBlock {
  Target target;
  std::vector<Use> filters;
  Block body;
};
struct MacroDefinition {
  std::string name;
  NameId id;
  std::vector<std::pair<NameId, ExprRef>> parameters;  ///< with their defaults
  Block body;
};
struct FilterBlock {
  std::vector<Use> filters;
  Block body;
};
struct Generation {  ///< what the model says: rendered like everything else
  Block body;
};
struct Break {};
struct Continue {};

struct Statement {
  Place place;
  std::variant<Data, Output, If, For, Set, SetBlock, MacroDefinition, FilterBlock, Generation, Break, Continue> node;
};

struct Template {
  std::vector<std::string> names;
  Block body;
};

/// Errors say the line and column. Nothing in it is nested so deeply that going through it needs much stack.
[[nodiscard]] Result<Template> parse(std::string_view text);

}  // namespace troupe::jinja
