#include "transport/tensor.hpp"

#include <cstring>

namespace troupe::transport {
namespace {

const char* name_of(Element element) {
  switch (element) {
    case Element::u8:
      return "u8";
    case Element::i32:
      return "i32";
    case Element::f32:
      return "f32";
    case Element::i64:
      return "i64";
  }
  return "unknown";
}

bool without_gaps(const Tensor& tensor) { return tensor.rows == 1 || tensor.stride == tensor.columns; }

}  // namespace

bool well_formed(const Tensor& tensor) {
  if (tensor.bytes() == 0) return true;
  const bool aligned = reinterpret_cast<std::uintptr_t>(tensor.data) % size_of(tensor.element) == 0;
  return tensor.data != nullptr && aligned && (tensor.rows == 1 || tensor.stride >= tensor.columns);
}

void copy(const Tensor& from, const Tensor& to) {
  if (from.bytes() == 0 || from.data == to.data) return;
  if (without_gaps(from) && without_gaps(to)) {
    std::memcpy(to.data, from.data, from.bytes());
    return;
  }
  const std::size_t size = size_of(from.element);
  for (std::size_t row = 0; row < from.rows; ++row)
    std::memcpy(to.data + row * to.stride * size, from.data + row * from.stride * size, from.columns * size);
}

std::string describe(const Tensor& tensor) {
  return std::string(name_of(tensor.element)) + " [" + std::to_string(tensor.rows) + ", " +
         std::to_string(tensor.columns) + "]";
}

}  // namespace troupe::transport
