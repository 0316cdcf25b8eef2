#include <algorithm>
#include <initializer_list>

#include "runtime/text/template/expression_parser.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::jinja {
namespace {

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

  [[nodiscard]] Result<Template> parse() {
    auto body = block({});
    if (!body) return body.error();
    if (!sees(Token::Kind::end)) return wrong("the tag " + quoted(tag_name_) + " ends nothing");
    return Template{std::move(names_), std::move(*body)};
  }

 private:
  using Ends = std::initializer_list<std::string_view>;

  /// Statements up to a tag of one of these names, whose name is then read and stands in tag_name_, or to the end.
  [[nodiscard]] Result<Block> block(Ends ends) {
    const Level level(depth_);
    if (level.too_deep()) return nested_too_deeply();
    Block out;
    while (!sees(Token::Kind::end)) {
      const Token next = take();
      links_ = 0;
      if (next.kind == Token::Kind::data) {
        out.push_back({next.place, Data{next.text}});
      } else if (next.kind == Token::Kind::begin_output) {
        auto value = expressions();
        if (!value) return value.error();
        if (!sees(Token::Kind::end_output)) return expected("'}}'");
        (void)take();
        out.push_back({next.place, Output{std::move(*value)}});
      } else {
        auto name = need_name("a tag's name");
        if (!name) return name.error();
        tag_name_ = std::move(*name);
        tag_place_ = next.place;
        const bool ending = tag_name_.starts_with("end") || tag_name_ == "else" || tag_name_ == "elif";
        if (ending) return ended(std::move(out), ends);
        auto made = statement();
        if (!made) return made.error();
        out.push_back(std::move(*made));
      }
    }
    if (ends.size() > 0) return wrong("a tag " + quoted(std::string(*(ends.end() - 1))) + " is missing");
    return out;
  }

  [[nodiscard]] Result<Block> ended(Block block, Ends ends) {
    if (std::find(ends.begin(), ends.end(), tag_name_) != ends.end()) return block;
    return at(tag_place_,
              {Code::bad_file, "the tag " + quoted(tag_name_) + " ends nothing here" +
                                   (ends.size() == 0 ? "" : "; expected is " + std::string(*(ends.end() - 1)))});
  }

  [[nodiscard]] Result<void> end_tag() {
    if (!sees(Token::Kind::end_block)) return expected("'%}'");
    (void)take();
    return {};
  }
  /// A block behind the tag that begins it, up to the tag that ends it, which is read as well.
  [[nodiscard]] Result<Block> whole_block(std::string_view end) {
    if (const auto ended = end_tag(); !ended) return ended.error();
    auto body = block({end});
    if (!body) return body;
    if (const auto ended = end_tag(); !ended) return ended.error();
    return body;
  }

  template <class Node>
  [[nodiscard]] static Result<Statement> made(Place place, Result<Node> node) {
    if (!node) return node.error();
    return Statement{place, std::move(*node)};
  }

  [[nodiscard]] Result<Statement> statement() {
    const Place place = tag_place_;
    const std::string name = tag_name_;
    if (name == "if") return made(place, if_tag());
    if (name == "for") return made(place, for_tag());
    if (name == "set") return set_tag(place);
    if (name == "macro") return made(place, macro_tag());
    if (name == "filter") return made(place, filter_tag());
    if (name == "generation") return made(place, generation_tag());
    if (name == "break" || name == "continue") return jump_tag(place, name == "break");
    return at(place, {Code::unsupported, "the tag " + quoted(name) +
                                             " is not supported; known are if, for, set, macro, filter, " +
                                             "generation, raw, break and continue"});
  }

  [[nodiscard]] Result<If> if_tag() {
    If out;
    tag_name_ = "elif";
    while (tag_name_ == "elif") {
      auto condition = expressions(false);
      if (!condition) return condition.error();
      if (const auto ended = end_tag(); !ended) return ended.error();
      auto body = block({"elif", "else", "endif"});
      if (!body) return body.error();
      out.branches.emplace_back(std::move(*condition), std::move(*body));
    }
    auto last = otherwise("endif");
    if (!last) return last.error();
    out.otherwise = std::move(*last);
    return out;
  }

  /// The block of an `else`, where that is the last tag, up to the end; else none.
  [[nodiscard]] Result<Block> otherwise(std::string_view end) {
    if (tag_name_ == "else") return whole_block(end);
    if (const auto ended = end_tag(); !ended) return ended.error();
    return Block();
  }

  [[nodiscard]] Result<For> for_tag() {
    auto to = target();
    if (!to) return to.error();
    if (!take_name("in")) return expected("'in'");
    auto over = expressions(false);
    if (!over) return over.error();
    For out{std::move(*to), std::move(*over), nullptr, {}, {}};
    if (take_name("if")) {
      auto condition = expression();
      if (!condition) return condition.error();
      out.condition = std::make_unique<const Expr>(std::move(*condition));
    }
    if (sees_name("recursive")) return wrong("recursive loops are not supported");
    if (const auto ended = end_tag(); !ended) return ended.error();
    ++loops_;
    auto body = block({"else", "endfor"});
    --loops_;
    if (!body) return body.error();
    out.body = std::move(*body);
    auto last = otherwise("endfor");
    if (!last) return last.error();
    out.otherwise = std::move(*last);
    return out;
  }

  /// One target, or several with commas between them.
  [[nodiscard]] Result<Target> target() {
    auto first = one_target();
    if (!first || !sees_mark(",")) return first;
    Target out;
    out.several.push_back(std::move(*first));
    while (take_mark(",")) {
      auto next = one_target();
      if (!next) return next;
      out.several.push_back(std::move(*next));
    }
    return out;
  }

  [[nodiscard]] Result<Target> one_target() {
    const Level level(depth_);
    if (level.too_deep()) return nested_too_deeply();
    if (take_mark("(")) {
      auto inner = target();
      if (!inner) return inner;
      if (const auto closed = need_mark(")"); !closed) return closed.error();
      return inner;
    }
    auto name = need_name("a variable's name");
    if (!name) return name.error();
    Target out{id_of(*name)};
    if (!take_mark(".")) return out;
    auto attribute = need_name("an attribute's name");
    if (!attribute) return attribute.error();
    out.attribute = std::move(*attribute);
    return out;
  }

  [[nodiscard]] Result<std::vector<Use>> filters() {
    std::vector<Use> out;
    do {
      auto use = filter();
      if (!use) return use.error();
      out.push_back(std::move(*use));
    } while (take_mark("|"));
    return out;
  }

  [[nodiscard]] Result<Statement> set_tag(Place place) {
    auto to = target();
    if (!to) return to.error();
    if (take_mark("=")) {
      auto value = expressions();
      if (!value) return value.error();
      if (const auto ended = end_tag(); !ended) return ended.error();
      return Statement{place, Set{std::move(*to), std::move(*value)}};
    }
    auto used = take_mark("|") ? filters() : Result<std::vector<Use>>(std::vector<Use>());
    if (!used) return used.error();
    auto body = outside_of_loops("endset");
    if (!body) return body.error();
    return Statement{place, SetBlock{std::move(*to), std::move(*used), std::move(*body)}};
  }

  [[nodiscard]] Result<MacroDefinition> macro_tag() {
    auto name = need_name("a macro's name");
    if (!name) return name.error();
    MacroDefinition out{*name, id_of(*name), {}, {}};
    if (const auto opened = need_mark("("); !opened) return opened.error();
    while (!sees_mark(")")) {
      auto parameter = need_name("a parameter's name");
      if (!parameter) return parameter.error();
      ExprRef otherwise;
      if (take_mark("=")) {
        auto value = expression();
        if (!value) return value.error();
        otherwise = std::make_unique<const Expr>(std::move(*value));
      }
      out.parameters.emplace_back(id_of(*parameter), std::move(otherwise));
      if (!take_mark(",")) break;
    }
    if (const auto closed = need_mark(")"); !closed) return closed.error();
    auto body = outside_of_loops("endmacro");
    if (!body) return body.error();
    out.body = std::move(*body);
    return out;
  }

  /// A block that loops around it cannot be left from.
  [[nodiscard]] Result<Block> outside_of_loops(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    auto body = whole_block(end);
    loops_ = loops;
    return body;
  }

  [[nodiscard]] Result<FilterBlock> filter_tag() {
    auto used = filters();
    if (!used) return used.error();
    auto body = outside_of_loops("endfilter");
    if (!body) return body.error();
    return FilterBlock{std::move(*used), std::move(*body)};
  }

  [[nodiscard]] Result<Generation> generation_tag() {
    auto body = outside_of_loops("endgeneration");
    if (!body) return body.error();
    return Generation{std::move(*body)};
  }

  [[nodiscard]] Result<Statement> jump_tag(Place place, bool is_break) {
    if (loops_ == 0) return at(place, {Code::bad_file, "the tag " + quoted(tag_name_) + " stands outside of a loop"});
    if (const auto ended = end_tag(); !ended) return ended.error();
    if (is_break) return Statement{place, Break()};
    return Statement{place, Continue()};
  }

  std::string tag_name_;  ///< of the last tag that was begun
  Place tag_place_;
  int loops_ = 0;
};

}  // namespace

Result<Template> parse(std::string_view text) {
  auto tokens = cut(text);
  if (!tokens) return tokens.error();
  return Parser(std::move(*tokens)).parse();
}

}  // namespace troupe::jinja
