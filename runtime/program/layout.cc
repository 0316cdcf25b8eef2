#include "runtime/program/layout.hpp"

#include <algorithm>

#include "kernels/activation.hpp"

namespace troupe {
namespace {

constexpr std::size_t alignment = 64;

/// Ops [first, last] between which a value must keep its bytes; body and tail counted through.
struct Lifetime {
  std::size_t first = SIZE_MAX, last = 0;
  bool tail = false;
  void touch(std::size_t at) {
    first = std::min(first, at);
    last = std::max(last, at);
  }
};

std::vector<Lifetime> lifetimes(const Program& program) {
  std::vector<Lifetime> lives(program.values.size());
  const std::size_t ops = program.body.size() + program.tail.size();
  for (std::size_t at = 0; at < ops; ++at) {
    const bool tail = at >= program.body.size();
    const Op& op = tail ? program.tail[at - program.body.size()] : program.body[at];
    for_each_value(op, [&](ValueId id, Access) {
      if (lives[id].first == SIZE_MAX) lives[id].tail = tail;
      lives[id].touch(at);
    });
  }
  // The tail runs once a tile and reads the hidden rows each time; before and after the ops they travel between stages.
  lives[program.hidden] = {0, ops, false};
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
  std::vector<Placed> placed;  // by begin
  Layout layout{std::vector<std::size_t>(program.values.size(), 0), 0};
  for (ValueId id = 0; id < program.values.size(); ++id) {
    const Lifetime& life = lives[id];
    if (life.first == SIZE_MAX) continue;
    const std::size_t count = life.tail ? logit_tile : rows;
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
