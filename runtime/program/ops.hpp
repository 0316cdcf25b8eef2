#pragma once

#include <string_view>
#include <variant>

#include "runtime/program/ops/attention_ops.hpp"
#include "runtime/program/ops/collectives.hpp"
#include "runtime/program/ops/expert_ops.hpp"
#include "runtime/program/ops/fused_ops.hpp"
#include "runtime/program/ops/row_ops.hpp"

/// Every op as data, one struct each: its name, its fields, `values`, which names each value that it touches, in the
/// order in which a listing shows them, and `weights` where it has some. How it is done is a device's business.
namespace troupe::ops {

using All = decltype(joined(joined(joined(RowOps(), Collectives()), joined(AttentionOps(), ExpertOps())), FusedOps()));
using Any = decltype(variant_of(All()));

}  // namespace troupe::ops

namespace troupe {

/// One op of a step. A device looks at `what`; everybody else at its name, values and weights.
struct Op {
  std::uint32_t layer = 0;  ///< counted as the model counts, for error messages
  ops::Any what;
};

[[nodiscard]] inline std::string_view name_of(const Op& op) {
  return std::visit([](const auto& what) { return what.name; }, op.what);
}

/// Calls visit(id, Access) for each value of an op.
template <class Visit>
void for_each_value(const Op& op, const Visit& visit) {
  struct Accesses {
    const Visit& visit;
    const Accesses& reads(ValueId id) const { return visit(id, Access::read), *this; }
    const Accesses& writes(ValueId id) const { return visit(id, Access::write), *this; }
    const Accesses& updates(ValueId id) const { return visit(id, Access::update), *this; }
  };
  std::visit([&](const auto& what) { what.values(Accesses{visit}); }, op.what);
}

/// Calls visit(id) for each weight of an op.
template <class Visit>
void for_each_weight(const Op& op, const Visit& visit) {
  std::visit(
      [&](const auto& what) {
        if constexpr (requires { what.weights(visit); }) what.weights(visit);
      },
      op.what);
}

}  // namespace troupe
