#include "runtime/schedule/prefix_places.hpp"


#include "runtime/memory/mixed_hash.hpp"

namespace troupe {

std::vector<std::uint64_t> PrefixPlaces::keys(std::span<const TokenId> prompt, std::string_view salt) {
  std::vector<std::uint64_t> keys;
  std::uint64_t key = 0;
  for (const char c : salt) key = mixed(key, static_cast<unsigned char>(c));
  for (; prompt.size() >= block; prompt = prompt.subspan(block)) {
    for (const TokenId token : prompt.first(block)) key = mixed(key, static_cast<std::uint32_t>(token));
    keys.push_back(key);
  }
  return keys;
}

std::size_t PrefixPlaces::matched(std::span<const std::uint64_t> keys, std::uint32_t replica) const {
  std::size_t blocks = 0;
  while (blocks < keys.size() && index_.contains({replica, keys[blocks]})) ++blocks;
  return blocks * block;
}

/// From the last on, so that of a prompt the first is the last to be forgotten.
void PrefixPlaces::note(std::span<const std::uint64_t> keys, std::uint32_t replica) {
  for (std::size_t i = keys.size(); i-- > 0;) {
    const Place place{replica, keys[i]};
    if (const auto known = index_.find(place); known != index_.end()) {
      given_.splice(given_.begin(), given_, known->second);
      continue;
    }
    given_.push_front(place);
    index_.emplace(place, given_.begin());
  }
  while (given_.size() > most_) {
    index_.erase(given_.back());
    given_.pop_back();
  }
}

void PrefixPlaces::inherit(std::uint32_t from, std::uint32_t to) {
  std::vector<std::uint64_t> keys;
  for (const auto& [replica, key] : given_) {
    if (replica == from) keys.push_back(key);
  }
  note(keys, to);
}

void PrefixPlaces::forget(std::uint32_t replica) {
  const auto first = index_.lower_bound({replica, 0});
  auto last = first;
  for (; last != index_.end() && last->first.first == replica; ++last) given_.erase(last->second);
  index_.erase(first, last);
}

}  // namespace troupe
