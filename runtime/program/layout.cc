#include "runtime/program/layout.hpp"

#include <algorithm>
#include <utility>

#include "kernels/activation.hpp"

namespace troupe {
namespace {

constexpr std::size_t alignment = 64;

/// Ops [first, last] between which a value must keep its bytes, all sections counted through.
struct Lifetime {
  std::size_t first = SIZE_MAX, last = 0;
  void touch(std::size_t from, std::size_t to) {
    first = std::min(first, from);
    last = std::max(last, to);
  }
};

/// Where a section is run more than once, and a value has a life outside of it too, it must be as one pass has left it
/// when the next begins.
void keep_through(std::vector<Lifetime>& lives, std::size_t begin, std::size_t end) {
  for (Lifetime& life : lives) {
    const bool inside = life.first < end && life.last >= begin, outside = life.first < begin || life.last >= end;
    if (inside && outside) life.touch(begin, end - 1);
  }
}

std::vector<Lifetime> lifetimes(const Program& program) {
  std::vector<Lifetime> lives(program.values.size());
  std::vector<std::pair<std::size_t, std::size_t>> repeated;
  std::size_t at = 0;
  for (const Section& section : program.sections) {
    if (program.spaces[section.space].tile != 0) repeated.emplace_back(at, at + section.ops.size());
    for (const Op& op : section.ops) {
      for_each_value(op, [&](ValueId id, Access) { lives[id].touch(at, at); });
      ++at;
    }
    // Behind each pass they are handed on.
    if (program.logits && program.values[*program.logits].space == section.space) {
      lives[*program.logits].touch(at - 1, at - 1);
    }
  }
  for (const auto& [begin, end] : repeated) keep_through(lives, begin, end);
  lives[program.hidden] = {0, at};  // before and after the ops it travels between stages
  return lives;
}

}  // namespace

std::size_t row_bytes(const Value& value) {
  switch (value.type) {
    case ValueType::f32:
      return value.columns * sizeof(float);
    case ValueType::q8:
      return value.columns / kernels::block_columns * sizeof(kernels::Q8Block);
    case ValueType::fixed:
      return value.columns * sizeof(std::int64_t);
  }
  return 0;
}

Layout lay_out(const Program& program, std::size_t rows) {
  struct Placed {
    std::size_t begin, end;
    Lifetime life;
  };
  const std::vector<Lifetime> lives = lifetimes(program);
  std::vector<std::size_t> from(lives.size() + 1, SIZE_MAX);  // when the first of those from here on begins to live
  for (std::size_t id = lives.size(); id-- > 0;) from[id] = std::min(from[id + 1], lives[id].first);
  std::vector<Placed> placed;  // by begin; those that may meet one to come
  Layout layout{std::vector<std::size_t>(program.values.size(), 0), 0};
  for (ValueId id = 0; id < program.values.size(); ++id) {
    const Lifetime& life = lives[id];
    if (life.first == SIZE_MAX) continue;
    std::erase_if(placed, [&](const Placed& other) { return other.life.last < from[id]; });
    const std::size_t count = program.spaces[program.values[id].space].most(rows);
    const std::size_t bytes = (row_bytes(program.values[id]) * count + alignment - 1) / alignment * alignment;
    std::size_t begin = 0;
    for (const Placed& other : placed) {
      const bool together = other.life.first <= life.last && life.first <= other.life.last;
      if (together && begin < other.end && other.begin < begin + bytes) begin = other.end;
    }
    layout.offsets[id] = begin;
    layout.bytes = std::max(layout.bytes, begin + bytes);
    const Placed mine{begin, begin + bytes, life};
    placed.insert(std::upper_bound(placed.begin(), placed.end(), mine,
                                   [](const Placed& a, const Placed& b) { return a.begin < b.begin; }),
                  mine);
  }
  return layout;
}

}  // namespace troupe
