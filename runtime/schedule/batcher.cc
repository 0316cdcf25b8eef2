#include "runtime/schedule/batcher.hpp"

#include <algorithm>
#include <utility>

#include "runtime/memory/kv_groups.hpp"

namespace troupe {
namespace {

/// A sequence that so many younger ones have passed goes first from then on, whatever its priority.
constexpr std::uint32_t most_passed_over = 64;

/// count - 1 ... 0, so that the lowest is taken first from the back.
std::vector<std::uint32_t> falling(std::uint32_t count) {
  std::vector<std::uint32_t> numbers(count);
  for (std::uint32_t i = 0; i < count; ++i) numbers[i] = count - 1 - i;
  return numbers;
}

std::vector<KvGroup> groups_of(const BatchLimits& limits) {
  if (!limits.kv.empty()) return limits.kv;
  const std::uint32_t each = kv_blocks_for(limits.context);
  return {{0, limits.parallel * each, each}};
}

/// The end of the positions for which it has blocks: as many of each group.
std::uint32_t end_of_blocks(const KvTable& table) {
  return static_cast<std::uint32_t>(table.groups[0].blocks.size() * kernels::kv_block);
}

/// What its sampling looks back at, where it does.
std::shared_ptr<const std::vector<TokenId>> tokens_of(const SequenceRequest& request) {
  if (request.sampling == nullptr || !request.sampling->looks_back()) return nullptr;
  return std::make_shared<const std::vector<TokenId>>(request.prompt);
}

}  // namespace

std::shared_ptr<KvPool> make_pool(const BatchLimits& limits) {
  return std::make_shared<KvPool>(groups_of(limits), limits.prefix_cache);
}

Batcher::Batcher(BatchLimits limits, std::shared_ptr<KvPool> pool)
    : limits_(std::move(limits)),
      pool_(std::move(pool)),
      free_slots_(falling(limits_.parallel)),
      under_way_(limits_.stages, 0) {}

// Who waits, and who begins.

void Batcher::add(SequenceRequest request) {
  Sequence sequence{.request = std::move(request)};
  sequence.prompt_end = static_cast<std::uint32_t>(sequence.request.prompt.size()) - sequence.request.resumed;
  queue(std::move(sequence));
}

void Batcher::queue(Sequence sequence) {
  sequence.prefill_end = static_cast<std::uint32_t>(sequence.request.prompt.size());
  sequence.sampled = sequence.prefill_end - sequence.prompt_end;
  sequence.positions = sequence.row_end = sequence.computed = 0;
  sequence.opened = sequence.gives_back = false;
  sequence.table = pool_->table();
  sequence.told.assign(pool_->groups(), 0);
  ranks_.emplace(sequence.request.id, sequence.rank());
  waiting_.emplace(sequence.rank(), std::move(sequence));
}

/// The oldest, where too many have passed it.
std::map<Batcher::Rank, Batcher::Sequence>::iterator Batcher::next_in_queue() {
  if (passed_over_ < most_passed_over) return waiting_.begin();
  Rank& rank = ranks_.begin()->second;
  const auto oldest = waiting_.find(rank);
  if (oldest->second.urgent) return oldest;
  auto node = waiting_.extract(oldest);
  node.mapped().urgent = true;
  node.key() = rank = node.mapped().rank();
  return waiting_.insert(std::move(node)).position;
}

/// Whether there are blocks for all that it will prefill, beside what the others still will.
bool Batcher::fits(const Sequence& sequence) const {
  for (std::uint32_t group = 0; group < pool_->groups(); ++group) {
    const auto lacks = [&](const Sequence& each) -> std::uint64_t {
      const std::uint32_t needed = pool_->needed(group, each.prefill_end + 1), held = pool_->held(each.table, group);
      return needed > held ? needed - held : 0;
    };
    std::uint64_t all = lacks(sequence);
    for (const auto& [id, other] : running_) all += other.active() ? lacks(other) : 0;
    if (all > pool_->available(group)) return false;
  }
  return true;
}

void Batcher::admit() {
  while (!waiting_.empty() && !free_slots_.empty() && !short_of_blocks_) {
    const auto first = next_in_queue();
    take_cached(first->second);
    if (!running_.empty() && !fits(first->second)) {
      free(first->second);
      return;
    }
    const bool oldest = first->second.request.id == ranks_.begin()->first;
    passed_over_ = oldest ? 0 : passed_over_ + 1;
    ranks_.erase(first->second.request.id);
    begin(std::move(waiting_.extract(first).mapped()));
  }
}

void Batcher::begin(Sequence sequence) {
  sequence.slot = free_slots_.back();
  free_slots_.pop_back();
  std::vector<std::uint32_t> sizes(limits_.stages, 0);
  for (const auto& [id, other] : running_) ++sizes[other.micro_batch];
  sequence.micro_batch = static_cast<std::uint32_t>(std::min_element(sizes.begin(), sizes.end()) - sizes.begin());
  if (!sequence.again) prompt_tokens_ += sequence.prefill_end;
  const SequenceId id = sequence.request.id;
  running_.emplace(id, std::move(sequence));
}

/// Steps go through the stages in one order, so a sequence may change its micro-batch between any two of them.
void Batcher::balance(std::uint32_t micro_batch) {
  std::vector<std::vector<Sequence*>> members(limits_.stages);
  for (auto& [id, sequence] : running_) {
    if (sequence.active()) members[sequence.micro_batch].push_back(&sequence);
  }
  const auto fullest = std::max_element(members.begin(), members.end(),
                                        [](const auto& a, const auto& b) { return a.size() < b.size(); });
  if (members[micro_batch].size() + 2 <= fullest->size()) fullest->back()->micro_batch = micro_batch;
}

/// Two steps where one waits for the other's tokens: one runs, one is ahead. Prefill alone may fill every stage.
std::uint32_t Batcher::most_under_way(std::uint32_t micro_batch) const {
  const bool decoding = std::any_of(running_.begin(), running_.end(), [&](const auto& entry) {
    return entry.second.micro_batch == micro_batch && !entry.second.prefilling() && entry.second.active();
  });
  return decoding ? 2 : limits_.stages + 1;
}

// What a step holds.

/// Micro-batches strictly take turns: two steps of one in a row would leave the other stages without work, because the
/// second waits for the first one's tokens. Only one that has nothing to do, or no blocks to do it in, is passed over.
std::optional<Step> Batcher::next() {
  admit();
  std::optional<Step> step;
  for (std::uint32_t i = 0; i < limits_.stages && !step; ++i) {
    const std::uint32_t micro_batch = (turn_ + i) % limits_.stages;
    balance(micro_batch);
    const bool has_work = std::any_of(running_.begin(), running_.end(), [&](const auto& entry) {
      return entry.second.micro_batch == micro_batch && entry.second.active();
    });
    if (!has_work) continue;
    if (under_way_[micro_batch] >= most_under_way(micro_batch)) break;
    step = compose(micro_batch);
    if (!step) continue;
    micro_batch_of_.emplace(step->id, micro_batch);
    ++under_way_[micro_batch];
    turn_ = (micro_batch + 1) % limits_.stages;
  }
  queue_those_who_gave_back();
  return step;
}

/// In the order in which they get blocks.
std::vector<Batcher::Sequence*> Batcher::members(std::uint32_t micro_batch) {
  std::vector<Sequence*> members;
  for (auto& [id, sequence] : running_) {
    if (sequence.micro_batch == micro_batch && sequence.active()) members.push_back(&sequence);
  }
  const auto before = [](const Sequence* a, const Sequence* b) { return a->rank() < b->rank(); };
  if (!std::is_sorted(members.begin(), members.end(), before)) std::sort(members.begin(), members.end(), before);
  return members;
}

/// One row of each sequence that decodes, then as much prefill, the first in rank first, as there is room for.
std::optional<Step> Batcher::compose(std::uint32_t micro_batch) {
  Step step;
  // Those that have been sent, those that an earlier step waits for, and those that rows here wait for.
  std::uint64_t messages = std::max(completed_messages_, received_messages_);
  std::uint32_t room = limits_.rows;
  const std::vector<Sequence*> all = members(micro_batch);
  std::vector<Sequence*> chosen;
  for (const bool prefill : {false, true}) {
    for (Sequence* const sequence : all) {
      if (room == 0 || sequence->prefilling() != prefill || !sequence->active()) continue;
      const std::uint32_t rows = reserve(*sequence, room);
      if (rows == 0) continue;
      if (!prefill) messages = std::max(messages, sequence->last_sample);
      schedule(*sequence, step, rows);
      chosen.push_back(sequence);
      room -= rows;
    }
  }
  if (step.slices.empty()) return std::nullopt;
  number(step, messages, chosen);
  return step;
}

void Batcher::number(Step& step, std::uint64_t messages, const std::vector<Sequence*>& members) {
  step.id = ++last_step_;
  step.token_messages = static_cast<std::uint32_t>(messages - received_messages_);
  received_messages_ = messages;
  if (step.samples()) ++sent_messages_;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (step.slices[i].sample) members[i]->last_sample = sent_messages_;
  }
}

/// The last token is always computed, for its logits.
std::uint32_t Batcher::most_cached(const Sequence& sequence) {
  return std::min(sequence.prefill_end - 1, sequence.request.first_wanted);
}

/// Goes on behind what the cache has by now.
void Batcher::take_cached(Sequence& sequence) {
  const std::uint32_t known = sequence.table.known, before = sequence.positions;
  const SequenceRequest& request = sequence.request;
  sequence.positions = pool_->match(request.prompt, request.cache_salt, before, most_cached(sequence), sequence.table);
  if (sequence.positions == before) return;
  for (std::uint32_t& told : sequence.told) told = std::min(told, known);
}

/// Whether another is computing the very block that it would begin: then that is shared as soon as it has come back.
bool Batcher::comes_soon(const Sequence& sequence) const {
  const SequenceRequest& mine = sequence.request;
  constexpr auto block = static_cast<std::uint32_t>(kernels::kv_block);
  const std::uint32_t end = (sequence.positions / block + 1) * block;
  if (!limits_.prefix_cache || end > most_cached(sequence)) return false;
  return std::any_of(running_.begin(), running_.end(), [&](const auto& each) {
    const Sequence& other = each.second;
    const std::vector<TokenId>& theirs = other.request.prompt;  // of samples that are under way it knows nothing yet
    return other.under_way > 0 && !other.failed && other.computed < end && other.positions >= end &&
           theirs.size() >= end && other.request.cache_salt == mine.cache_salt &&
           std::equal(mine.prompt.begin(), mine.prompt.begin() + end, theirs.begin());
  });
}

/// So many rows, at most, for which the sequence has blocks from now on. 0: it waits for some.
std::uint32_t Batcher::reserve(Sequence& sequence, std::uint32_t most) {
  if (sequence.prefilling()) take_cached(sequence);
  if (sequence.prefilling() && comes_soon(sequence)) return 0;
  pool_->leave_window(sequence.table, sequence.positions);
  const std::uint32_t count = sequence.prefilling() ? std::min(most, sequence.prefill_end - sequence.positions) : 1;
  const std::uint32_t end = sequence.positions + count;
  std::uint32_t reached = end_of_blocks(sequence.table);
  const bool waits_its_turn = short_of_blocks_ && *short_of_blocks_ < sequence.rank();
  if (!waits_its_turn) reached = std::max(reached, pool_->reach(sequence.table));
  if (reached <= sequence.positions && !waits_its_turn) reached = wait_for_blocks(sequence, end);
  reached = std::min(reached, end);
  if (reached <= sequence.positions || !pool_->extend(sequence.table, reached)) return 0;
  if (short_of_blocks_ == sequence.rank()) short_of_blocks_.reset();
  return reached - sequence.positions;
}

/// The last in rank gives its blocks back, and the next to last, until there is one. Where they have rows under way,
/// that is later. Returns how far the sequence comes with what there is then.
std::uint32_t Batcher::wait_for_blocks(Sequence& sequence, std::uint32_t end) {
  const bool some_will = std::any_of(running_.begin(), running_.end(), [](const auto& each) {
    return !each.second.active() && each.second.under_way > 0;
  });
  while (!some_will && pool_->reach(sequence.table) <= sequence.positions) {
    Sequence* const last = last_in_rank();
    last->gives_back = true;
    ++given_back_;
    if (short_of_blocks_ == last->rank()) short_of_blocks_.reset();
    if (last->under_way > 0) break;
    free(*last);
    if (last == &sequence) return 0;
  }
  if (!sequence.gives_back && pool_->reach(sequence.table) <= sequence.positions) {
    short_of_blocks_ = short_of_blocks_ ? std::min(*short_of_blocks_, sequence.rank()) : sequence.rank();
  }
  return sequence.gives_back ? 0 : std::min(end, pool_->reach(sequence.table));
}

/// Never null: whoever waits for blocks is one of those who may give theirs back.
Batcher::Sequence* Batcher::last_in_rank() {
  Sequence* last = nullptr;
  for (auto& [id, sequence] : running_) {
    if (sequence.active() && (last == nullptr || last->rank() < sequence.rank())) last = &sequence;
  }
  return last;
}

void Batcher::schedule(Sequence& sequence, Step& step, std::uint32_t rows) {
  const SequenceRequest& request = sequence.request;
  const std::uint32_t end = sequence.positions + rows;
  SequenceSlice slice{.sequence = request.id, .slot = sequence.slot, .first_position = sequence.positions};
  if (sequence.prefilling()) {
    const auto first = request.prompt.begin() + sequence.positions;
    slice.tokens.assign(first, first + rows);
  }
  tell(sequence, slice);
  slice.sample = end >= sequence.prefill_end && sequence.sampled < request.max_tokens;
  slice.wanted = end - std::clamp(request.first_wanted, sequence.positions, end);
  if (slice.sample) slice.wanted = std::max(slice.wanted, 1U);
  if (!std::exchange(sequence.opened, true)) {
    step.opened.push_back({sequence.slot, request.id, request.sampling, request.first_wanted != UINT32_MAX,
                           request.logprobs, request.user, tokens_of(request), request.surprise_bound});
  }
  const std::uint32_t skipped = sequence.positions - std::exchange(sequence.row_end, end);
  if (!sequence.again) sequence.cached += skipped;
  if (!sequence.again) cached_tokens_ += skipped;
  sequence.positions = end;
  sequence.sampled += slice.sample ? 1 : 0;
  ++sequence.under_way;
  step.slices.push_back(std::move(slice));
}

/// What the shards do not know yet of the sequence's blocks. What is behind its window they need not know.
void Batcher::tell(Sequence& sequence, SequenceSlice& slice) const {
  for (std::uint32_t group = 0; group < pool_->groups(); ++group) {
    const KvTable::Part& part = sequence.table.groups[group];
    const auto end = static_cast<std::uint32_t>(part.blocks.size());
    const std::uint32_t first = std::max(std::exchange(sequence.told[group], end), part.begin);
    if (first >= end) continue;
    slice.table.push_back({group, first, {part.blocks.begin() + first, part.blocks.end()}});
  }
}

// What comes back.

std::vector<SequenceId> Batcher::complete(const Step& step, const StepOutcome& outcome) {
  const auto micro_batch = micro_batch_of_.find(step.id);
  --under_way_[micro_batch->second];
  micro_batch_of_.erase(micro_batch);
  if (step.samples()) ++completed_messages_;
  for (const SampledToken& token : outcome.tokens) {
    SequenceRequest& request = running_.at(step.slices[token.slice].sequence).request;
    request.prompt.push_back(token.token);
    request.surprise_bound = token.surprise_bound;
  }
  std::vector<SequenceId> through;
  for (std::uint32_t s = 0; s < step.slices.size(); ++s) {
    const auto found = running_.find(step.slices[s].sequence);
    Sequence& sequence = found->second;
    come_back(sequence, step.slices[s], outcome.failed(s));
    if (sequence.under_way > 0) continue;
    if (sequence.finished()) {
      through.push_back(found->first);
      release(found);
    } else if (sequence.gives_back) {
      queue_again(found);
    }
  }
  return through;
}

/// What it has computed may be shared, unless any of it failed.
void Batcher::come_back(Sequence& sequence, const SequenceSlice& slice, bool failed) {
  --sequence.under_way;
  sequence.failed |= failed;
  sequence.computed = std::max(sequence.computed, slice.first_position + slice.rows());
  const std::span<const TokenId> known = sequence.request.prompt;
  if (sequence.failed) return;
  pool_->publish(known.first(std::min<std::size_t>(known.size(), sequence.computed)), sequence.request.cache_salt,
                 sequence.table);
}

bool Batcher::stop(SequenceId id) {
  if (const auto waits = ranks_.find(id); waits != ranks_.end()) {
    waiting_.erase(waits->second);
    ranks_.erase(waits);
    return true;
  }
  const auto found = running_.find(id);
  if (found == running_.end()) return false;
  found->second.stopped = true;
  if (short_of_blocks_ == found->second.rank()) short_of_blocks_.reset();
  if (found->second.under_way > 0) return false;
  release(found);
  return true;
}

void Batcher::free(Sequence& sequence) {
  pool_->release(sequence.table);
  sequence.positions = 0;
  sequence.told.assign(pool_->groups(), 0);
}

void Batcher::release(Running::iterator sequence) {
  free_slots_.push_back(sequence->second.slot);
  free(sequence->second);
  running_.erase(sequence);
}

/// Its prompt and what it has sampled are computed once more; logits that the host has had already are not wanted
/// again.
void Batcher::queue_again(Running::iterator found) {
  Sequence sequence = std::move(running_.extract(found).mapped());
  sequence.again = true;
  free_slots_.push_back(sequence.slot);
  free(sequence);
  std::uint32_t& wanted = sequence.request.first_wanted;
  if (wanted != UINT32_MAX) wanted = std::max(wanted, sequence.computed);
  queue(std::move(sequence));
}

void Batcher::queue_those_who_gave_back() {
  for (auto each = running_.begin(); each != running_.end();) {
    const auto next = std::next(each);
    if (each->second.gives_back && each->second.under_way == 0) queue_again(each);
    each = next;
  }
}

std::size_t Batcher::free_blocks() const {
  std::size_t sum = 0;
  for (std::uint32_t group = 0; group < pool_->groups(); ++group) sum += pool_->available(group);
  return sum;
}

BatchStats Batcher::stats() const {
  return {waiting_.size(), running_.size(), pool_->stats(), prompt_tokens_, cached_tokens_, given_back_};
}

std::uint32_t Batcher::cached_tokens(SequenceId id) const {
  const auto found = running_.find(id);
  return found == running_.end() ? 0 : found->second.cached;
}

}  // namespace troupe
