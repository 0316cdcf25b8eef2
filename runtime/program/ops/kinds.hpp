#pragma once

#include <cstdint>
#include <variant>

namespace troupe {

using ValueId = std::uint32_t;   ///< of Program::values
using WeightId = std::uint32_t;  ///< of Program::weights
using KvId = std::uint32_t;      ///< of Program::kv
using SpaceId = std::uint32_t;   ///< of Program::spaces
using GroupId = std::uint32_t;   ///< of Program::groups
using EventId = std::uint32_t;   ///< below Program::events

/// What an op does with a value: `update` reads it and writes it in place.
enum class Access : std::uint8_t { read, write, update };

}  // namespace troupe

namespace troupe::ops {

/// A list of ops, and the variant of several such.
template <class... Each>
struct Kinds {};

template <class... Each, class... More>
Kinds<Each..., More...> joined(Kinds<Each...>, Kinds<More...>);

template <class... Each>
std::variant<Each...> variant_of(Kinds<Each...>);

}  // namespace troupe::ops
