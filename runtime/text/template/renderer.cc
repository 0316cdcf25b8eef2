#include "runtime/text/template/renderer.hpp"

#include <algorithm>

#include "runtime/text/template/print.hpp"

namespace troupe::jinja {

Renderer::Renderer(const Template& parsed, World world) : template_(parsed), world_(std::move(world)) {
  open_scope();
  const auto loop = std::find(parsed.names.begin(), parsed.names.end(), "loop");
  loop_name_ = static_cast<NameId>(loop - parsed.names.begin());
}

void Renderer::define(std::string_view name, Value value) {
  const auto found = std::find(template_.names.begin(), template_.names.end(), name);
  if (found != template_.names.end()) set(static_cast<NameId>(found - template_.names.begin()), std::move(value));
}

Result<Text> Renderer::render() {
  Text out;
  out_ = &out;
  if (const auto done = run(template_.body); !done) return done.error();
  return out;
}

// Looking through many variables has its price; where it cannot be paid, the next step is refused.

const Value* Renderer::find(NameId name) {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->outer) {
    (void)world_.budget.spend(scope->variables.size() / 64);
    for (const auto& [id, value] : scope->variables) {
      if (id == name) return &value;
    }
  }
  return nullptr;
}

void Renderer::set(NameId name, Value value) {
  (void)world_.budget.spend(scope_->variables.size() / 64);
  for (auto& [id, old] : scope_->variables) {
    if (id == name) {
      old = std::move(value);
      return;
    }
  }
  scope_->variables.emplace_back(name, std::move(value));
}

void Renderer::open_scope() {
  if (free_scopes_.empty()) free_scopes_.push_back(&scopes_.emplace_back());
  Scope* scope = free_scopes_.back();
  free_scopes_.pop_back();
  scope->outer = scope_;
  scope_ = scope;
}

void Renderer::close_scope() {
  Scope* closed = scope_;
  scope_ = closed->outer;
  if (closed->kept) return;
  closed->variables.clear();
  free_scopes_.push_back(closed);
}

Result<Renderer::Flow> Renderer::run(const Block& block) {
  for (const Statement& statement : block) {
    const auto flow = run(statement);
    if (!flow || *flow != Flow::on) return flow;
  }
  return Flow::on;
}

Result<Renderer::Flow> Renderer::run(const Statement& statement) {
  if (!world_.budget.spend()) return at(statement.place, exhausted());
  if (depth_ == deepest) return at(statement.place, {Code::failed, "macros and blocks are nested too deeply"});
  ++depth_;
  auto flow = std::visit([&](const auto& node) { return run(statement.place, node); }, statement.node);
  --depth_;
  return flow;
}

Result<Renderer::Flow> Renderer::run(Place place, const Data& data) {
  if (!world_.budget.make(data.text.size())) return at(place, exhausted());
  out_->append(data.text, Author::model_maker);
  return Flow::on;
}

Result<Renderer::Flow> Renderer::run(Place place, const Output& output) {
  const auto value = evaluate(output.value);
  if (!value) return value.error();
  const auto text = printed(*value, world_.budget);
  if (!text) return at(place, text.error());
  if (!world_.budget.make((*text)->memory())) return at(place, exhausted());
  out_->append(**text);
  return Flow::on;
}

Result<Renderer::Flow> Renderer::run(Place, const If& branches) {
  for (const auto& [condition, body] : branches.branches) {
    const auto value = evaluate(condition);
    if (!value) return value.error();
    if (is_true(*value)) return run(body);
  }
  return run(branches.otherwise);
}

/// The elements that a loop goes through: those for which its condition holds.
Result<ListRef> Renderer::rounds(Place place, const For& loop) {
  const auto over = evaluate(loop.over);
  if (!over) return over.error();
  const auto all = elements(*over, world_.budget);
  if (!all) return at(place, all.error());
  if (loop.condition == nullptr) return *all;
  std::vector<Value> chosen;
  for (const Value& item : (*all)->items) {
    if (!world_.budget.make(sizeof(Value))) return at(place, exhausted());
    open_scope();
    const auto assigned = assign(place, loop.target, item);
    const auto holds = assigned ? evaluate(*loop.condition) : Result<Value>(assigned.error());
    close_scope();
    if (!holds) return holds.error();
    if (is_true(*holds)) chosen.push_back(item);
  }
  const auto list = list_value(std::move(chosen));
  if (!list) return at(place, list.error());
  return std::get<ListRef>(*list);
}

Result<Renderer::Flow> Renderer::run(Place place, const For& loop) {
  const auto items = rounds(place, loop);
  if (!items) return items.error();
  if ((*items)->items.empty()) return run_within(loop.otherwise);
  open_scope();
  ++loops_;
  auto flow = run_rounds(place, loop, *items);
  --loops_;
  close_scope();
  return flow;
}

Result<Renderer::Flow> Renderer::run_rounds(Place place, const For& loop, const ListRef& items) {
  const auto state = std::make_shared<Loop>(Loop{items, 0, loops_});
  for (; state->index < items->items.size(); ++state->index) {
    if (!world_.budget.spend()) return at(place, exhausted());
    scope_->variables.clear();
    set(loop_name_, std::shared_ptr<const Loop>(state));
    if (const auto done = assign(place, loop.target, items->items[state->index]); !done) return done.error();
    const auto flow = run(loop.body);
    if (!flow) return flow;
    if (*flow == Flow::leave_loop) break;
  }
  return Flow::on;
}

Result<void> Renderer::assign(Place place, const Target& target, Value value) {
  if (!target.several.empty()) {
    const auto items = elements(value, world_.budget);
    if (!items) return at(place, items.error());
    const std::size_t count = (*items)->items.size(), wanted = target.several.size();
    if (count != wanted) {
      return at(place, {Code::failed, std::to_string(count) + " values cannot be spread over " +
                                          std::to_string(wanted) + " variables"});
    }
    for (std::size_t i = 0; i < count; ++i) {
      const auto done = assign(place, target.several[i], (*items)->items[i]);
      if (!done) return done;
    }
    return {};
  }
  if (!target.attribute) return set(target.name, std::move(value)), Result<void>();
  const Value* owner = find(target.name);
  auto* const* space = owner == nullptr ? nullptr : std::get_if<Namespace*>(owner);
  if (space == nullptr) return at(place, {Code::failed, "only a namespace's attributes can be set"});
  if (!world_.budget.make(sizeof(Value))) return at(place, exhausted());
  (*space)->attributes.set(*target.attribute, std::move(value));
  return {};
}

Result<Renderer::Flow> Renderer::run(Place place, const Set& set) {
  auto value = evaluate(set.value);
  if (!value) return value.error();
  if (const auto done = assign(place, set.target, std::move(*value)); !done) return done.error();
  return Flow::on;
}

Result<Renderer::Flow> Renderer::run_within(const Block& block) {
  open_scope();
  auto flow = run(block);
  close_scope();
  return flow;
}

Result<Text> Renderer::captured(const Block& block) {
  Text text;
  Text* const before = std::exchange(out_, &text);
  const auto flow = run_within(block);
  out_ = before;
  if (!flow) return flow.error();
  return text;
}

Result<Value> Renderer::filtered(Value value, const std::vector<Use>& filters) {
  for (const Use& use : filters) {
    auto next = used(use, value, "filter");
    if (!next) return next;
    value = std::move(*next);
  }
  return value;
}

Result<Renderer::Flow> Renderer::run(Place place, const SetBlock& set) {
  auto text = captured(set.body);
  if (!text) return text.error();
  auto value = filtered(text_value(std::move(*text)), set.filters);
  if (!value) return value.error();
  if (const auto done = assign(place, set.target, std::move(*value)); !done) return done.error();
  return Flow::on;
}

Result<Renderer::Flow> Renderer::run(Place place, const FilterBlock& filter) {
  auto text = captured(filter.body);
  if (!text) return text.error();
  const auto value = filtered(text_value(std::move(*text)), filter.filters);
  if (!value) return value.error();
  const auto out = printed(*value, world_.budget);
  if (!out || !world_.budget.make((*out)->memory())) return at(place, exhausted());
  out_->append(**out);
  return Flow::on;
}

Result<Renderer::Flow> Renderer::run(Place, const Generation& generation) { return run_within(generation.body); }

Result<Renderer::Flow> Renderer::run(Place place, const MacroDefinition& definition) {
  if (!world_.budget.make(sizeof(Macro))) return at(place, exhausted());
  for (Scope* scope = scope_; scope != nullptr && !scope->kept; scope = scope->outer) {
    if (!world_.budget.make(256)) return at(place, exhausted());
    scope->kept = true;
  }
  set(definition.id, static_cast<const Macro*>(&macros_.emplace_back(Macro{&definition, scope_})));
  return Flow::on;
}

Result<Value> Renderer::call_macro(Place place, const Macro& macro, Arguments given) {
  Scope* const before = std::exchange(scope_, macro.scope);
  open_scope();
  const auto bound = bind(place, macro, std::move(given));
  auto text = bound ? captured(macro.definition->body) : Result<Text>(bound.error());
  close_scope();
  scope_ = before;
  if (!text) return text.error();
  return text_value(std::move(*text));
}

/// Gives the parameters their values, in the scope of the call.
Result<void> Renderer::bind(Place place, const Macro& macro, Arguments given) {
  const auto& parameters = macro.definition->parameters;
  const auto wrong = [&](const std::string& what) {
    return at(place, {Code::failed, "the macro " + macro.definition->name + what});
  };
  if (given.values.size() > parameters.size()) {
    return wrong(" takes at most " + std::to_string(parameters.size()) + " arguments, not " +
                 std::to_string(given.values.size()));
  }
  std::vector<bool> is_given(parameters.size(), false);
  for (std::size_t i = 0; i < given.values.size(); ++i) {
    set(parameters[i].first, std::move(given.values[i]));
    is_given[i] = true;
  }
  for (auto& [name, value] : given.named) {
    if (!world_.budget.spend(parameters.size() / 8)) return at(place, exhausted());
    const auto found = std::find_if(parameters.begin(), parameters.end(), [&, &wanted = name](const auto& each) {
      return template_.names[each.first] == wanted;
    });
    if (found == parameters.end()) return wrong(" has no parameter " + std::string(name));
    const auto index = static_cast<std::size_t>(found - parameters.begin());
    if (is_given[index]) return wrong(" is given " + std::string(name) + " twice");
    set(found->first, std::move(value));
    is_given[index] = true;
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (is_given[i]) continue;
    auto value = evaluate_or_undefined(parameters[i].second);
    if (!value) return value.error();
    set(parameters[i].first, std::move(*value));
  }
  return {};
}

}  // namespace troupe::jinja
