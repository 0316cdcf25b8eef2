// Opens any set of files as the parts of a split model: an input is the parts, each behind its length.
#include "runtime/model/split_model.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/runtime/gguf_fixture.hpp"

namespace troupe::testing {
namespace {

using Length = std::uint16_t;

std::string part(std::uint16_t number, std::uint16_t count, std::int32_t all, const std::string& tensor) {
  GgufWriter writer;
  if (number == 0) writer.string("general.architecture", "llama").number("llama.block_count", ElementType::u32, 1U);
  writer.number("split.no", ElementType::u16, number).number("split.count", ElementType::u16, count);
  writer.number("split.tensors.count", ElementType::i32, all);
  if (!tensor.empty()) writer.tensor(tensor, {4}, 0, 0);
  return writer.file(tensor.empty() ? 0 : 16);
}

std::string packed(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& one : parts) {
    const auto length = static_cast<Length>(one.size());
    all.append(reinterpret_cast<const char*>(&length), sizeof length).append(one);
  }
  return all;
}

OtherParts unpacked(std::span<const std::byte> bytes) {
  OtherParts parts;
  Length length = 0;
  while (bytes.size() >= sizeof length) {
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes = bytes.subspan(sizeof length);
    const std::size_t size = std::min<std::size_t>(length, bytes.size());
    parts.push_back(FileBytes::lend("part " + std::to_string(parts.size() + 1), bytes.first(size)));
    bytes = bytes.subspan(size);
  }
  return parts;
}

void open(std::span<const std::byte> bytes) {
  const OtherParts parts = unpacked(bytes);
  if (parts.empty()) return;
  std::uint32_t asked = 1;
  const auto model = open_model(plugins::gguf, parts.front(), [&](std::uint32_t count) -> Result<OtherParts> {
    asked = count;
    if (count != parts.size()) return Error(Code::not_found, "there are " + std::to_string(parts.size()) + " parts");
    return OtherParts(parts.begin() + 1, parts.end());
  });
  if (!model) return check_error(model.error());
  read_everything(*model);
  if (asked == 1) return;
  check(model->integer("split.count").value() == asked);
  check(model->integer("split.tensors.count").value() == model->tensors.size());
  for (const FileTensor& tensor : model->tensors) check(model->tensor(tensor.name) == &tensor);
}

}  // namespace
}  // namespace troupe::testing

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  using namespace troupe::testing;
  static const std::string whole[] = {packed({part(0, 2, 2, "a"), part(1, 2, 2, "b")}),
                                      packed({part(0, 3, 2, ""), part(1, 3, 2, "a"), part(2, 3, 2, "b")}),
                                      packed({part(0, 1, 1, "a")})};
  return mutate(whole, data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::testing::open(std::as_bytes(std::span(data, size)));
  return 0;
}
