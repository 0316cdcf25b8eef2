#include "runtime/text/template/print.hpp"
#include "runtime/text/template/renderer.hpp"
#include "runtime/text/utf8.hpp"

// How a renderer evaluates expressions.
namespace troupe::jinja {
namespace {

/// With the place where it failed, unless what failed has one of its own.
Result<Value> placed(Place place, Result<Value> result) {
  if (result) return result;
  return at(place, result.error());
}

Result<Value> placed(Place place, const Result<bool>& result) {
  if (result) return Value(*result);
  return at(place, result.error());
}

/// What a loop's body can ask of it; nothing where there is no such attribute.
Value attribute_of(const Loop& loop, std::string_view name) {
  const auto index = static_cast<std::int64_t>(loop.index),
             length = static_cast<std::int64_t>(loop.items->items.size());
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "revindex") return length - index;
  if (name == "revindex0") return length - index - 1;
  if (name == "first") return index == 0;
  if (name == "last") return index + 1 == length;
  if (name == "length") return length;
  if (name == "depth") return static_cast<std::int64_t>(loop.nesting);
  if (name == "depth0") return static_cast<std::int64_t>(loop.nesting) - 1;
  if (name == "previtem" && index > 0) return loop.items->items[loop.index - 1];
  if (name == "nextitem" && index + 1 < length) return loop.items->items[loop.index + 1];
  return Undefined();
}

/// Methods that would change a list or dict: in Jinja2's immutable sandbox they are not there, even where a dict has a
/// key of that name.
bool changes_its_dict(std::string_view name) {
  return name == "clear" || name == "pop" || name == "popitem" || name == "setdefault" || name == "update";
}

Value bound(const Value& self, const Function& method) { return std::make_shared<const Method>(Method{self, &method}); }

/// of.name: an attribute before a key.
Result<Value> attribute_of(const Value& of, std::string_view name) {
  if (is_undefined(of)) return Error(Code::failed, "an undefined value has no attribute " + quoted(name));
  if (const Loop* loop = as<Loop>(of)) return attribute_of(*loop, name);
  if (auto* const* space = std::get_if<Namespace*>(&of)) {
    const Value* found = (*space)->attributes.find(name);
    return found == nullptr ? Value(Undefined()) : *found;
  }
  if (const Function* method = find_method(of, name)) return bound(of, *method);
  const Dict* dict = as<Dict>(of);
  const Value* found = dict == nullptr || changes_its_dict(name) ? nullptr : dict->find(name);
  return found == nullptr ? Value(Undefined()) : *found;
}

/// of[key]: a key before an attribute.
Result<Value> element_of(const Value& of, const Value& key, Budget& budget) {
  auto found = element(of, key, budget);
  const Text* name = as<Text>(key);
  if (!found || !is_undefined(*found) || name == nullptr) return found;
  return attribute_of(of, name->view());
}

}  // namespace

Result<Value> Renderer::evaluate(const Expr& expr) {
  if (!world_.budget.spend()) return at(expr.place, exhausted());
  if (depth_ == deepest) return at(expr.place, {Code::failed, "macros and expressions are nested too deeply"});
  ++depth_;
  auto value = std::visit([&](const auto& node) { return of(expr.place, node); }, expr.node);
  --depth_;
  return value;
}

Result<Value> Renderer::evaluate_or_undefined(const ExprRef& expr) {
  return expr == nullptr ? Result<Value>(Undefined()) : evaluate(*expr);
}

Result<Value> Renderer::of(Place, const Literal& literal) { return literal.value; }

Result<Value> Renderer::of(Place, const Variable& variable) {
  if (const Value* value = find(variable.name)) return *value;
  const Function* global = find_global(template_.names[variable.name]);
  return global == nullptr ? Value(Undefined()) : Value(global);
}

Result<Value> Renderer::of(Place place, const ListExpr& list) {
  std::vector<Value> items;
  for (const Expr& each : list.items) {
    auto item = evaluate(each);
    if (!item) return item;
    items.push_back(std::move(*item));
  }
  return placed(place, list_value(std::move(items), list.kind));
}

Result<Value> Renderer::of(Place place, const DictExpr& dict) {
  Dict out;
  for (std::size_t i = 0; i < dict.keys.size(); ++i) {
    auto key = evaluate(dict.keys[i]);
    if (!key) return key;
    if (!can_be_key(*key)) return at(place, {Code::failed, std::string(kind_of(*key)) + " cannot be a dict's key"});
    auto value = evaluate(dict.values[i]);
    if (!value) return value;
    if (const Text* text = as<Text>(*key); text != nullptr && !world_.budget.scan(text->size())) {
      return at(place, exhausted());
    }
    out.set(std::move(*key), std::move(*value));
  }
  return placed(place, dict_value(std::move(out)));
}

Result<Value> Renderer::of(Place place, const Attribute& attribute) {
  const auto value = evaluate(*attribute.of);
  if (!value) return value;
  return placed(place, attribute_of(*value, attribute.name->view()));
}

Result<Value> Renderer::of(Place place, const Element& element) {
  const auto value = evaluate(*element.of);
  if (!value) return value;
  const auto key = evaluate(*element.key);
  if (!key) return key;
  return placed(place, element_of(*value, *key, world_.budget));
}

Result<Value> Renderer::of(Place place, const SliceExpr& slice) {
  const auto value = evaluate(*slice.of);
  if (!value) return value;
  Slicing bounds;
  for (auto [to, from] :
       {std::pair{&bounds.start, &slice.start}, {&bounds.stop, &slice.stop}, {&bounds.step, &slice.step}}) {
    auto bound = evaluate_or_undefined(*from);
    if (!bound) return bound;
    *to = std::move(*bound);
  }
  return placed(place, jinja::slice(*value, bounds, world_.budget));
}

Result<Arguments> Renderer::evaluated(const ArgumentExprs& arguments) {
  Arguments out;
  const std::size_t unnamed = arguments.values.size() - arguments.names.size();
  for (std::size_t i = 0; i < arguments.values.size(); ++i) {
    auto value = evaluate(arguments.values[i]);
    if (!value) return value.error();
    if (i < unnamed) {
      out.values.push_back(std::move(*value));
    } else {
      out.named.emplace_back(arguments.names[i - unnamed], std::move(*value));
    }
  }
  return out;
}

Result<Value> Renderer::of(Place place, const CallExpr& call) {
  const auto callee = evaluate(*call.callee);
  if (!callee) return callee;
  auto given = evaluated(call.arguments);
  if (!given) return given.error();
  if (const auto* macro = std::get_if<const Macro*>(&*callee)) return call_macro(place, **macro, std::move(*given));
  if (const Method* method = as<Method>(*callee)) {
    return placed(place, jinja::call(world_, *method->function, method->self, *given));
  }
  if (const auto* function = std::get_if<const Function*>(&*callee)) {
    return placed(place, jinja::call(world_, **function, Undefined(), *given));
  }
  return at(place, {Code::failed, std::string(kind_of(*callee)) + " cannot be called"});
}

Result<Value> Renderer::used(const Use& use, const Value& subject, std::string_view kind) {
  if (use.function == nullptr) {
    return at(use.place, {Code::unsupported, "there is no " + std::string(kind) + " " + quoted(use.name)});
  }
  const auto given = evaluated(use.arguments);
  if (!given) return given.error();
  return placed(use.place, jinja::call(world_, *use.function, subject, *given));
}

Result<Value> Renderer::of(Place, const FilterExpr& filter) {
  const auto subject = evaluate(*filter.of);
  return subject ? used(filter.use, *subject, "filter") : subject;
}

Result<Value> Renderer::of(Place, const TestExpr& test) {
  const auto subject = evaluate(*test.of);
  if (!subject) return subject;
  const auto holds = used(test.use, *subject, "test");
  if (!holds) return holds;
  return Value(is_true(*holds) == test.wanted);
}

Result<Value> Renderer::of(Place, const Not& negation) {
  const auto value = evaluate(*negation.of);
  if (!value) return value;
  return Value(!is_true(*value));
}

Result<Value> Renderer::of(Place place, const Negative& negative) {
  const auto value = evaluate(*negative.of);
  if (!value) return value;
  return placed(place, negated(*value));
}

Result<Value> Renderer::of(Place place, const Calculation& calculation) {
  auto value = evaluate(calculation.operands.front());
  for (std::size_t i = 0; i < calculation.operators.size(); ++i) {
    if (!value) return value;
    const auto operand = evaluate(calculation.operands[i + 1]);
    if (!operand) return operand;
    value = placed(place, calculate(calculation.operators[i], *value, *operand, world_.budget));
  }
  return value;
}

Result<bool> Renderer::related(Relation relation, const Value& left, const Value& right) {
  if (relation == Relation::equal) return equal(left, right, world_.budget);
  if (relation == Relation::in) return contains(right, left, world_.budget);
  if (relation == Relation::unequal || relation == Relation::not_in) {
    const auto holds = related(relation == Relation::unequal ? Relation::equal : Relation::in, left, right);
    return holds ? Result<bool>(!*holds) : holds;
  }
  const auto compared = order(left, right, world_.budget);
  if (!compared) return compared.error();
  if (relation == Relation::less) return *compared < 0;
  if (relation == Relation::less_equal) return *compared <= 0;
  return relation == Relation::greater ? *compared > 0 : *compared >= 0;
}

Result<Value> Renderer::of(Place place, const Comparison& comparison) {
  auto left = evaluate(comparison.operands.front());
  if (!left) return left;
  for (std::size_t i = 0; i < comparison.relations.size(); ++i) {
    auto right = evaluate(comparison.operands[i + 1]);
    if (!right) return right;
    const auto holds = related(comparison.relations[i], *left, *right);
    if (!holds || !*holds) return placed(place, holds);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> Renderer::of(Place, const Logic& logic) {
  Result<Value> value = Value();
  for (const Expr& operand : logic.operands) {
    value = evaluate(operand);
    if (!value || is_true(*value) != logic.all) break;
  }
  return value;
}

Result<Value> Renderer::of(Place place, const Concat& concat) {
  Text out;
  for (const Expr& operand : concat.operands) {
    const auto value = evaluate(operand);
    if (!value) return value;
    const auto text = printed(*value, world_.budget);
    if (!text) return at(place, text.error());
    if (!world_.budget.make((*text)->memory())) return at(place, exhausted());
    out.append(**text);
  }
  return text_value(std::move(out));
}

Result<Value> Renderer::of(Place, const Choice& choice) {
  const auto condition = evaluate(*choice.condition);
  if (!condition) return condition;
  return evaluate_or_undefined(is_true(*condition) ? choice.yes : choice.no);
}

}  // namespace troupe::jinja
