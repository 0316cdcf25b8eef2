#include "runtime/model/known_keys.hpp"

#include <array>
#include <catch2/catch.hpp>

#include "runtime/model/element_type.hpp"

namespace troupe {

TEST_CASE("of a list that is as long as a file no more is looked at than is shown", "[bad-input]") {
  static constexpr auto numbers = std::to_array<std::uint32_t>({1, 2, 3, 4, 5, 6, 7, 8});
  constexpr std::uint64_t many = std::uint64_t{1} << 40;
  const MetaArray list{MetaArray::Kind::integers, many, std::as_bytes(std::span(numbers)),
                       static_cast<std::uint32_t>(ElementType::u32)};
  CHECK(shown_value(list) == "[1, 2, 3, 4, 5, 6, 7, 8, ...] of 1099511627776");
  CHECK(list.first(3).integers() == std::vector<std::int64_t>{1, 2, 3});

  ModelFile file;
  file.metadata.push_back({"some.list", list});
  constexpr auto known = std::to_array<KnownKey>({neutral("list", "1")});
  const auto heard = check_keys(file, "some", known);
  REQUIRE_FALSE(heard.ok());
  CHECK(heard.error().message().find("is [1, 2, 3, 4, 5, 6, 7, 8, ...] of 1099511627776 (known is 1)") !=
        std::string::npos);
}

}  // namespace troupe
