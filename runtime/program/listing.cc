#include "runtime/program/program.hpp"

namespace troupe {
namespace {

const char* type_name(ValueType type) { return type == ValueType::f32 ? "f32" : type == ValueType::q8 ? "q8" : "i64"; }

std::string shown(const Value& value) {
  return value.name + '[' + std::to_string(value.columns) + ' ' + type_name(value.type) + ']';
}

/// What is updated stands on both sides.
std::string list_op(const Program& program, const Op& op) {
  std::string in, out, weights, last;
  for_each_value(op, [&](ValueId id, Access access) {
    const std::string text = shown(program.values[id]);
    if (access != Access::write) in += (in.empty() ? "" : ", ") + text;
    if (access != Access::read) out += (out.empty() ? " -> " : ", ") + text;
  });
  for_each_weight(op, [&](WeightId id) {  // of experts' the tensor once
    if (program.weights[id].tensor == last) return;
    last = program.weights[id].tensor;
    weights += "  " + last;
  });
  return "  " + std::string(name_of(op)) + '(' + in + ')' + out + weights + '\n';
}

std::string list_section(const Program& program, const Section& section) {
  const RowSpace& space = program.spaces[section.space];
  std::string text = section.name + ": " + std::to_string(section.ops.size()) + " ops, over " + space.name + " rows";
  if (space.tile != 0) text += ", " + std::to_string(space.tile) + " at a time";
  text += '\n';
  for (const Op& op : section.ops) text += list_op(program, op);
  return text;
}

}  // namespace

std::string to_string(const Program& program) {
  std::string text;
  for (const Section& section : program.sections) text += list_section(program, section);
  for (const auto& [rule, times] : program.fused) {
    text += "fused by " + std::string(rule) + ": " + std::to_string(times) + (times == 1 ? " time\n" : " times\n");
  }
  return text;
}

}  // namespace troupe
