#pragma once

#include "runtime/text/template/functions.hpp"

namespace troupe::jinja {

// Filters that go through lists: what stands behind `|`, by the same names.

[[nodiscard]] Result<Value> filter_dictsort(const Call& call);
[[nodiscard]] Result<Value> filter_first(const Call& call);
[[nodiscard]] Result<Value> filter_items(const Call& call);
[[nodiscard]] Result<Value> filter_join(const Call& call);
[[nodiscard]] Result<Value> filter_last(const Call& call);
[[nodiscard]] Result<Value> filter_list(const Call& call);
[[nodiscard]] Result<Value> filter_map(const Call& call);
[[nodiscard]] Result<Value> filter_max(const Call& call);
[[nodiscard]] Result<Value> filter_min(const Call& call);
[[nodiscard]] Result<Value> filter_reject(const Call& call);
[[nodiscard]] Result<Value> filter_rejectattr(const Call& call);
[[nodiscard]] Result<Value> filter_reverse(const Call& call);
[[nodiscard]] Result<Value> filter_select(const Call& call);
[[nodiscard]] Result<Value> filter_selectattr(const Call& call);
[[nodiscard]] Result<Value> filter_sort(const Call& call);
[[nodiscard]] Result<Value> filter_sum(const Call& call);
[[nodiscard]] Result<Value> filter_unique(const Call& call);

}  // namespace troupe::jinja
