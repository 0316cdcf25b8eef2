#include <sstream>

#include "runtime/program/program.hpp"

namespace troupe {
namespace {

const char* type_name(ValueType type) { return type == ValueType::f32 ? "f32" : type == ValueType::q8 ? "q8" : "i64"; }

void list_values(std::ostringstream& text, const Program& program, const std::vector<ValueId>& ids) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Value& value = program.values[ids[i]];
    text << (i == 0 ? "" : ", ") << value.name << '[' << value.columns << ' ' << type_name(value.type) << ']';
  }
}

void list_op(std::ostringstream& text, const Program& program, const Op& op) {
  text << "  " << op.kind->name << '(';
  list_values(text, program, op.in);
  text << ')';
  if (!op.out.empty()) text << " -> ";
  list_values(text, program, op.out);
  for (const WeightId id : op.weights) text << "  " << program.weights[id].tensor;
  text << '\n';
}

}  // namespace

std::string to_string(const Program& program) {
  std::ostringstream text;
  text << program.body.size() << " ops a step\n";
  for (const Op& op : program.body) list_op(text, program, op);
  if (!program.tail.empty()) text << program.tail.size() << " ops for each tile of wanted rows\n";
  for (const Op& op : program.tail) list_op(text, program, op);
  return text.str();
}

}  // namespace troupe
