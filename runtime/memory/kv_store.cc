#include "runtime/memory/kv_store.hpp"

#include <algorithm>
#include <string>

namespace troupe {

KvStore::KvStore(const std::vector<Group>& groups, std::span<const KvPlace> places) : places_(places) {
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

bool KvStore::read(std::uint32_t group, std::uint32_t block, std::size_t offset, std::span<std::byte> bytes) const {
  const std::byte* const content = this->block(group, block);
  if (content == nullptr) return false;
  std::copy_n(content + offset, bytes.size(), bytes.begin());
  return true;
}

Result<void> KvStore::write(std::uint32_t group, std::uint32_t block, std::size_t offset,
                            std::span<const std::byte> bytes) {
  if (auto reserved = reserve(group, block); !reserved) return reserved;
  std::copy(bytes.begin(), bytes.end(), this->block(group, block) + offset);
  return {};
}

}  // namespace troupe
