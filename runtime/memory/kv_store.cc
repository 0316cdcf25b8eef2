#include "runtime/memory/kv_store.hpp"

#include <algorithm>
#include <string>

namespace troupe {

KvStore::KvStore(const std::vector<Group>& groups) {
  for (const Group& group : groups) {
    groups_.push_back({group.block_bytes, {}});
    if (group.block_bytes > 0) groups_.back().blocks.reserve(group.most);
  }
}

Result<void> KvStore::reserve(std::uint32_t group, std::uint32_t block) {
  Blocks& mine = groups_[group];
  if (mine.block_bytes == 0) return {};
  if (block >= mine.blocks.size()) mine.blocks.resize(block + 1);
  if (mine.blocks[block].data() != nullptr) return {};
  auto buffer = Buffer::allocate(mine.block_bytes, "a block of the KV cache");
  if (!buffer) {
    return Error(Code::out_of_memory,
                 buffer.error().message() + "; fewer sequences at once, or shorter ones, need less memory");
  }
  mine.blocks[block] = std::move(*buffer);
  return {};
}

std::byte* KvStore::block(std::uint32_t group, std::uint32_t block) const {
  const auto& blocks = groups_[group].blocks;
  return block < blocks.size() ? blocks[block].data() : nullptr;
}

std::span<const std::byte> KvStore::export_block(std::uint32_t group, std::uint32_t block) const {
  const std::byte* const content = this->block(group, block);
  return {content, content == nullptr ? 0 : block_bytes(group)};
}

Result<void> KvStore::import_block(std::uint32_t group, std::uint32_t block, std::span<const std::byte> content) {
  if (content.size() != block_bytes(group)) {
    return Error(Code::invalid_argument, "a block of the KV cache has " + std::to_string(block_bytes(group)) +
                                             " bytes here, not " + std::to_string(content.size()));
  }
  if (auto reserved = reserve(group, block); !reserved) return reserved;
  if (!content.empty()) std::copy(content.begin(), content.end(), this->block(group, block));
  return {};
}

}  // namespace troupe
