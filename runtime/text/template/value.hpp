#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/text/template/text.hpp"
#include "troupe/error.hpp"

namespace troupe::jinja {

struct List;
class Dict;
struct Loop;
struct Method;
struct Namespace;
struct Macro;
struct Function;

struct Undefined {
  bool operator==(const Undefined&) const = default;
};
struct None {
  bool operator==(const None&) const = default;
};
using TextRef = std::shared_ptr<const Text>;
using ListRef = std::shared_ptr<const List>;
using DictRef = std::shared_ptr<const Dict>;

/// What a template computes with, as Python has it. Texts, lists and dicts never change once they are made, so there
/// are no cycles among them; namespaces, macros and functions belong to others, who outlive every value. Compare with
/// equal() and order(), never with ==.
using Value =
    std::variant<Undefined, None, bool, std::int64_t, double, TextRef, ListRef, DictRef, std::shared_ptr<const Loop>,
                 std::shared_ptr<const Method>, Namespace*, const Macro*, const Function*>;

/// Lists within lists, at most: what compares, prints or frees a value calls itself once for each.
inline constexpr std::uint32_t deepest_value = 100;

struct List {
  enum class Kind : std::uint8_t {
    list,
    tuple,
    view,       ///< what items(), keys() and values() of a dict give: no elements by number
    generator,  ///< what Python computes only when it is asked for: no length either, and always true
  };
  std::vector<Value> items;
  Kind kind = Kind::list;
  std::uint32_t depth = 1;  ///< of lists and dicts, itself among them
};

/// Keys and values in the order in which they came.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] std::uint32_t depth() const { return depth_; }

  /// Null where there is none. Precondition, as of set: can_be_key(key).
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] const Value* find(const Value& key) const;

  /// Adds an entry, or gives one that is there another value.
  void set(Value key, Value value);
  void set(std::string_view key, Value value);

 private:
  static constexpr std::size_t nowhere = SIZE_MAX;

  [[nodiscard]] std::size_t place_of(const Value& key) const;

  std::vector<Entry> entries_;
  // Trees, which no choice of keys makes slow. NaN is in none: it equals nothing.
  std::map<std::string_view, std::size_t> by_text_;
  std::map<long double, std::size_t> by_number_;
  std::size_t none_ = nowhere;
  std::uint32_t depth_ = 1;
};

/// A method of a text, list or dict, not yet called.
struct Method {
  Value self;
  const Function* function;
};

/// Where a loop is: what its body sees as `loop`.
struct Loop {
  ListRef items;
  std::size_t index = 0;
  std::uint32_t nesting = 1;  ///< of loops, itself among them
};

/// A namespace: the one value that changes.
struct Namespace {
  Dict attributes;
};

[[nodiscard]] Value text_value(std::string bytes, Author author = Author::conversation);
[[nodiscard]] Value text_value(Text text);

/// An error where they would be nested too deeply.
[[nodiscard]] Result<Value> list_value(std::vector<Value> items, List::Kind kind = List::Kind::list);
[[nodiscard]] Result<Value> dict_value(Dict dict);

/// The text, list or dict that a value is; null where it is none.
template <class T>
[[nodiscard]] const T* as(const Value& value) {
  const auto* ref = std::get_if<std::shared_ptr<const T>>(&value);
  return ref == nullptr ? nullptr : ref->get();
}
[[nodiscard]] inline bool is_undefined(const Value& value) { return std::holds_alternative<Undefined>(value); }

[[nodiscard]] bool is_true(const Value& value);
[[nodiscard]] bool can_be_key(const Value& value);
[[nodiscard]] std::uint32_t depth_of(const Value& value);
/// "a text", "a list": for messages.
[[nodiscard]] std::string_view kind_of(const Value& value);

}  // namespace troupe::jinja
