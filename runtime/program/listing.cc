#include "runtime/program/program.hpp"

namespace troupe {
namespace {

const char* type_name(ValueType type) { return type == ValueType::f32 ? "f32" : type == ValueType::q8 ? "q8" : "i64"; }

std::string list_values(const Program& program, const std::vector<ValueId>& ids) {
  std::string text;
  for (const ValueId id : ids) {
    const Value& value = program.values[id];
    text += (text.empty() ? "" : ", ") + value.name + '[' + std::to_string(value.columns) + ' ' +
            type_name(value.type) + ']';
  }
  return text;
}

std::string list_op(const Program& program, const Op& op) {
  std::string text = "  " + std::string(op.kind->name) + '(' + list_values(program, op.in) + ')';
  if (!op.out.empty()) text += " -> " + list_values(program, op.out);
  for (const WeightId id : op.weights) text += "  " + program.weights[id].tensor;
  return text + '\n';
}

}  // namespace

std::string to_string(const Program& program) {
  std::string text = std::to_string(program.body.size()) + " ops a step\n";
  for (const Op& op : program.body) text += list_op(program, op);
  if (!program.tail.empty()) text += std::to_string(program.tail.size()) + " ops for each tile of wanted rows\n";
  for (const Op& op : program.tail) text += list_op(program, op);
  return text;
}

}  // namespace troupe
