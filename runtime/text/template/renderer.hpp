#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/text/template/tree.hpp"

namespace troupe::jinja {

/// Variables of one block; those of the blocks around it are seen too.
struct Scope {
  Scope* outer = nullptr;
  bool kept = false;  ///< a macro was made in it, which may be called when the block is long over
  std::vector<std::pair<NameId, Value>> variables{};
};

/// A macro and where it was made.
struct Macro {
  const MacroDefinition* definition;
  Scope* scope;
};

/// Renders one template once. The template must outlive it.
class Renderer {
 public:
  Renderer(const Template& parsed, World world);

  /// A variable of the whole template.
  void define(std::string_view name, Value value);
  [[nodiscard]] Result<Text> render();

 private:
  enum class Flow : std::uint8_t { on, leave_loop, next_round };

  // Statements (renderer.cc)
  [[nodiscard]] Result<Flow> run(const Block& block);
  [[nodiscard]] Result<Flow> run(const Statement& statement);
  [[nodiscard]] Result<Flow> run(Place place, const Data& data);
  [[nodiscard]] Result<Flow> run(Place place, const Output& output);
  [[nodiscard]] Result<Flow> run(Place place, const If& branches);
  [[nodiscard]] Result<Flow> run(Place place, const For& loop);
  [[nodiscard]] Result<Flow> run(Place place, const Set& set);
  [[nodiscard]] Result<Flow> run(Place place, const SetBlock& set);
  [[nodiscard]] Result<Flow> run(Place place, const MacroDefinition& definition);
  [[nodiscard]] Result<Flow> run(Place place, const FilterBlock& filter);
  [[nodiscard]] Result<Flow> run(Place place, const Generation& generation);
  [[nodiscard]] Result<Flow> run(Place, const Break&) { return Flow::leave_loop; }
  [[nodiscard]] Result<Flow> run(Place, const Continue&) { return Flow::next_round; }
  [[nodiscard]] Result<ListRef> rounds(Place place, const For& loop);
  [[nodiscard]] Result<Flow> run_rounds(Place place, const For& loop, const ListRef& items);
  [[nodiscard]] Result<void> assign(Place place, const Target& target, Value value);
  [[nodiscard]] Result<Flow> run_within(const Block& block);  ///< in a scope of its own
  [[nodiscard]] Result<Text> captured(const Block& block);    ///< what a block renders, in a scope of its own
  [[nodiscard]] Result<Value> filtered(Value value, const std::vector<Use>& filters);
  [[nodiscard]] Result<Value> call_macro(Place place, const Macro& macro, Arguments given);
  [[nodiscard]] Result<void> bind(Place place, const Macro& macro, Arguments given);

  // Expressions (evaluate.cc)
  [[nodiscard]] Result<Value> evaluate(const Expr& expr);
  [[nodiscard]] Result<Value> evaluate_or_undefined(const ExprRef& expr);
  [[nodiscard]] Result<Value> of(Place place, const Literal& literal);
  [[nodiscard]] Result<Value> of(Place place, const Variable& variable);
  [[nodiscard]] Result<Value> of(Place place, const ListExpr& list);
  [[nodiscard]] Result<Value> of(Place place, const DictExpr& dict);
  [[nodiscard]] Result<Value> of(Place place, const Attribute& attribute);
  [[nodiscard]] Result<Value> of(Place place, const Element& element);
  [[nodiscard]] Result<Value> of(Place place, const SliceExpr& slice);
  [[nodiscard]] Result<Value> of(Place place, const CallExpr& call);
  [[nodiscard]] Result<Value> of(Place place, const FilterExpr& filter);
  [[nodiscard]] Result<Value> of(Place place, const TestExpr& test);
  [[nodiscard]] Result<Value> of(Place place, const Not& negation);
  [[nodiscard]] Result<Value> of(Place place, const Negative& negative);
  [[nodiscard]] Result<Value> of(Place place, const Calculation& calculation);
  [[nodiscard]] Result<Value> of(Place place, const Comparison& comparison);
  [[nodiscard]] Result<Value> of(Place place, const Logic& logic);
  [[nodiscard]] Result<Value> of(Place place, const Concat& concat);
  [[nodiscard]] Result<Value> of(Place place, const Choice& choice);
  [[nodiscard]] Result<bool> related(Relation relation, const Value& left, const Value& right);
  [[nodiscard]] Result<Arguments> evaluated(const ArgumentExprs& arguments);
  [[nodiscard]] Result<Value> used(const Use& use, const Value& subject, std::string_view kind);

  [[nodiscard]] const Value* find(NameId name);
  void set(NameId name, Value value);
  void open_scope();
  void close_scope();

  static constexpr std::uint32_t deepest = 400;

  const Template& template_;
  World world_;
  std::deque<Scope> scopes_;         ///< all that were ever needed
  std::vector<Scope*> free_scopes_;  ///< those that are not in use
  std::deque<Macro> macros_;
  Scope* scope_ = nullptr;
  Text* out_ = nullptr;
  std::uint32_t depth_ = 0, loops_ = 0;
  NameId loop_name_ = 0;
};

}  // namespace troupe::jinja
