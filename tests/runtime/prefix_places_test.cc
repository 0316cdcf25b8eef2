#include "runtime/schedule/prefix_places.hpp"

#include <catch2/catch.hpp>

namespace troupe {
namespace {

constexpr std::uint32_t block = PrefixPlaces::block;

std::vector<std::uint64_t> keys_of(const std::vector<TokenId>& prompt, std::string_view salt = "") {
  return PrefixPlaces::keys(prompt, salt);
}

std::vector<TokenId> prompt_of(std::size_t length, std::size_t other_from = SIZE_MAX) {
  std::vector<TokenId> prompt;
  for (std::size_t i = 0; i < length; ++i) prompt.push_back(static_cast<TokenId>(i < other_from ? i : i + 1));
  return prompt;
}

}  // namespace

TEST_CASE("prefix places: whole blocks that begin alike are found, with the replica that was given them") {
  PrefixPlaces places(100);
  CHECK(keys_of(prompt_of(block - 1)).empty());
  CHECK(keys_of(prompt_of(3 * block + 5)).size() == 3);
  places.note(keys_of(prompt_of(3 * block + 5)), 1);
  CHECK(places.matched(keys_of(prompt_of(3 * block + 7)), 1) == 3 * block);
  CHECK(places.matched(keys_of(prompt_of(3 * block - 1)), 1) == 2 * block);
  CHECK(places.matched(keys_of(prompt_of(9 * block)), 1) == 3 * block);
  CHECK(places.matched(keys_of(prompt_of(3 * block, block)), 1) == block);
  CHECK(places.matched(keys_of(prompt_of(3 * block, 0)), 1) == 0);
  CHECK(places.matched(keys_of(prompt_of(3 * block)), 0) == 0);
  CHECK(places.matched(keys_of(prompt_of(3 * block), "a tenant's"), 1) == 0);
}

TEST_CASE("prefix places: a replica that leaves is forgotten, others are not") {
  PrefixPlaces places(100);
  const auto keys = keys_of(prompt_of(2 * block));
  for (const std::uint32_t replica : {0U, 1U, 2U}) places.note(keys, replica);
  places.forget(1);
  places.forget(7);
  CHECK(places.matched(keys, 0) == 2 * block);
  CHECK(places.matched(keys, 1) == 0);
  CHECK(places.matched(keys, 2) == 2 * block);
}

TEST_CASE("prefix places: the least recently given are forgotten, of one prompt its end first") {
  PrefixPlaces places(4);
  const auto old = keys_of(prompt_of(2 * block)), kept = keys_of(prompt_of(2 * block, 0));
  places.note(old, 0);
  places.note(kept, 0);
  places.note(old, 0);
  places.note(keys_of(prompt_of(block, 3)), 0);
  CHECK(places.matched(old, 0) == 2 * block);
  CHECK(places.matched(kept, 0) == block);
  PrefixPlaces few(3);
  const auto longer = keys_of(prompt_of(9 * block));
  few.note(longer, 0);
  CHECK(few.matched(longer, 0) == 3 * block);
}

}  // namespace troupe
