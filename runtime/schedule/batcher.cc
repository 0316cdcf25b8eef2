#include "runtime/schedule/batcher.hpp"

#include <algorithm>
#include <string>

#include "kernels/kv_layout.hpp"

namespace troupe {
namespace {

std::uint32_t blocks_for(std::uint32_t positions) {
  constexpr std::uint32_t block = kernels::kv_block;
  return (positions + block - 1) / block;
}

/// count - 1 ... 0, so that the lowest is taken first from the back.
std::vector<std::uint32_t> falling(std::uint32_t count) {
  std::vector<std::uint32_t> numbers(count);
  for (std::uint32_t i = 0; i < count; ++i) numbers[i] = count - 1 - i;
  return numbers;
}

}  // namespace

Batcher::Batcher(BatchLimits limits)
    : limits_(limits),
      free_slots_(falling(limits.parallel)),
      most_blocks_(limits.parallel * blocks_for(limits.context)),
      under_way_(limits.stages, 0) {}

void Batcher::admit() {
  while (!waiting_.empty() && !free_slots_.empty()) {
    Sequence sequence{.request = std::move(waiting_.front())};
    waiting_.pop_front();
    sequence.slot = free_slots_.back();
    free_slots_.pop_back();
    std::vector<std::uint32_t> sizes(limits_.stages, 0);
    for (const auto& [id, other] : running_) ++sizes[other.micro_batch];
    sequence.micro_batch = static_cast<std::uint32_t>(std::min_element(sizes.begin(), sizes.end()) - sizes.begin());
    running_.emplace(sequence.request.id, std::move(sequence));
  }
}

/// Steps go through the stages in one order, so a sequence may change its micro-batch between any two of them.
void Batcher::balance(std::uint32_t micro_batch) {
  std::vector<std::vector<Sequence*>> members(limits_.stages);
  for (auto& [id, sequence] : running_) {
    if (!sequence.finished()) members[sequence.micro_batch].push_back(&sequence);
  }
  const auto fullest = std::max_element(members.begin(), members.end(),
                                        [](const auto& a, const auto& b) { return a.size() < b.size(); });
  if (members[micro_batch].size() + 2 <= fullest->size()) fullest->back()->micro_batch = micro_batch;
}

/// Two steps where one waits for the other's tokens: one runs, one is ahead. Prefill alone may fill every stage.
std::uint32_t Batcher::most_under_way(std::uint32_t micro_batch) const {
  const bool decoding = std::any_of(running_.begin(), running_.end(), [&](const auto& entry) {
    return entry.second.micro_batch == micro_batch && !entry.second.prefilling() && !entry.second.finished();
  });
  return decoding ? 2 : limits_.stages + 1;
}

/// Used ones first: of the others there may be millions, and none needs memory before its turn.
std::uint32_t Batcher::take_block() {
  if (free_blocks_.empty()) return next_block_++;
  const std::uint32_t block = free_blocks_.back();
  free_blocks_.pop_back();
  return block;
}

void Batcher::schedule(Sequence& sequence, Step& step, std::uint32_t rows) {
  const auto prompt = static_cast<std::uint32_t>(sequence.request.prompt.size());
  const bool prefill = sequence.prefilling();
  const std::uint32_t count = prefill ? std::min(rows, prompt - sequence.positions) : 1;
  const std::uint32_t end = sequence.positions + count;
  const auto held = static_cast<std::uint32_t>(sequence.blocks.size());
  for (std::uint32_t needed = blocks_for(end); sequence.blocks.size() < needed;) {
    sequence.blocks.push_back(take_block());
  }
  SequenceSlice slice{.sequence = sequence.request.id, .slot = sequence.slot, .first_position = sequence.positions};
  if (prefill) {
    const auto first = sequence.request.prompt.begin() + sequence.positions;
    slice.tokens.assign(first, first + count);
  }
  for (std::uint32_t group = 0; group < limits_.kv_groups && held < sequence.blocks.size(); ++group) {
    slice.table.push_back({group, held, {sequence.blocks.begin() + held, sequence.blocks.end()}});
  }
  slice.sample = end >= prompt && sequence.sampled < sequence.request.max_tokens;
  slice.wanted = end - std::clamp(sequence.request.first_wanted, sequence.positions, end);
  if (slice.sample) slice.wanted = std::max(slice.wanted, 1U);
  if (sequence.positions == 0) {
    step.opened.push_back(
        {sequence.slot, sequence.request.id, sequence.request.sampling, sequence.request.first_wanted != UINT32_MAX});
  }
  sequence.positions = end;
  sequence.sampled += slice.sample ? 1 : 0;
  ++sequence.under_way;
  step.slices.push_back(std::move(slice));
}

/// Micro-batches strictly take turns: two steps of one in a row would leave the other stages without work, because the
/// second waits for the first one's tokens. Only one that has nothing to do is passed over.
std::optional<Step> Batcher::next() {
  admit();
  for (std::uint32_t i = 0; i < limits_.stages; ++i) {
    const std::uint32_t micro_batch = (turn_ + i) % limits_.stages;
    balance(micro_batch);
    const bool has_work = std::any_of(running_.begin(), running_.end(), [&](const auto& entry) {
      return entry.second.micro_batch == micro_batch && !entry.second.finished();
    });
    if (!has_work) continue;
    if (under_way_[micro_batch] >= most_under_way(micro_batch)) return std::nullopt;
    Step step = compose(micro_batch);
    micro_batch_of_.emplace(step.id, micro_batch);
    ++under_way_[micro_batch];
    turn_ = (micro_batch + 1) % limits_.stages;
    return step;
  }
  return std::nullopt;
}

/// One row of each sequence that decodes, then as much prefill, the oldest first, as there is room for.
Step Batcher::compose(std::uint32_t micro_batch) {
  Step step;
  // Those that have been sent, those that an earlier step waits for, and those that rows here wait for.
  std::uint64_t messages = std::max(completed_messages_, received_messages_);
  std::uint32_t room = limits_.rows;
  std::vector<Sequence*> members, prefills;
  for (auto& [id, sequence] : running_) {
    if (sequence.micro_batch != micro_batch || sequence.finished()) continue;
    if (sequence.prefilling()) {
      prefills.push_back(&sequence);
    } else {
      messages = std::max(messages, sequence.last_sample);
      schedule(sequence, step, 1);
      members.push_back(&sequence);
      --room;
    }
  }
  for (auto prefill = prefills.begin(); prefill != prefills.end() && room > 0; ++prefill) {
    schedule(**prefill, step, room);
    members.push_back(*prefill);
    room -= step.slices.back().rows();
  }

  step.id = ++last_step_;
  step.token_messages = static_cast<std::uint32_t>(messages - received_messages_);
  received_messages_ = messages;
  if (step.samples()) ++sent_messages_;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (step.slices[i].sample) members[i]->last_sample = sent_messages_;
  }
  return step;
}

std::vector<SequenceId> Batcher::complete(const Step& step) {
  const auto micro_batch = micro_batch_of_.find(step.id);
  --under_way_[micro_batch->second];
  micro_batch_of_.erase(micro_batch);
  if (step.samples()) ++completed_messages_;
  std::vector<SequenceId> through;
  for (const SequenceSlice& slice : step.slices) {
    const auto found = running_.find(slice.sequence);
    --found->second.under_way;
    if (found->second.finished() && found->second.under_way == 0) {
      through.push_back(slice.sequence);
      release(found);
    }
  }
  return through;
}

bool Batcher::stop(SequenceId id) {
  const auto waits =
      std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& request) { return request.id == id; });
  if (waits != waiting_.end()) {
    waiting_.erase(waits);
    return true;
  }
  const auto found = running_.find(id);
  if (found == running_.end()) return false;
  found->second.stopped = true;
  if (found->second.under_way > 0) return false;
  release(found);
  return true;
}

void Batcher::release(std::map<SequenceId, Sequence>::iterator sequence) {
  free_slots_.push_back(sequence->second.slot);
  free_blocks_.insert(free_blocks_.end(), sequence->second.blocks.rbegin(), sequence->second.blocks.rend());
  running_.erase(sequence);
}

}  // namespace troupe
