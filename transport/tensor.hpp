#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace troupe::transport {

enum class Element : std::uint8_t { u8, i32, f32, i64 };

[[nodiscard]] constexpr std::size_t size_of(Element element) {
  return element == Element::u8 ? 1 : element == Element::i64 ? 8 : 4;
}

/// What travels: a view of `rows` rows of `columns` elements, `stride` elements from row to row. Never an owner.
struct Tensor {
  std::byte* data = nullptr;
  Element element = Element::u8;
  std::size_t rows = 0, columns = 0, stride = 0;
  [[nodiscard]] std::size_t bytes() const { return rows * columns * size_of(element); }
};

/// The element type of a host's numbers.
template <class Number>
inline constexpr Element element_of = Element::u8;
template <>
inline constexpr Element element_of<std::int32_t> = Element::i32;
template <>
inline constexpr Element element_of<float> = Element::f32;
template <>
inline constexpr Element element_of<std::int64_t> = Element::i64;

/// A view of numbers that lie row after row without gaps.
template <class Number>
[[nodiscard]] Tensor tensor_of(Number* data, std::size_t rows, std::size_t columns) {
  static_assert(sizeof(Number) == size_of(element_of<Number>));
  return {reinterpret_cast<std::byte*>(data), element_of<Number>, rows, columns, columns};
}

/// The same element type, rows and columns.
[[nodiscard]] inline bool same_shape(const Tensor& a, const Tensor& b) {
  return a.element == b.element && a.rows == b.rows && a.columns == b.columns;
}

/// The shape of `like` over memory without gaps between its rows.
[[nodiscard]] inline Tensor packed(const Tensor& like, std::byte* data) {
  return {data, like.element, like.rows, like.columns, like.columns};
}

/// A view of `count` columns of `tensor`, from column `begin` on.
[[nodiscard]] inline Tensor columns_of(const Tensor& tensor, std::size_t begin, std::size_t count) {
  return {tensor.data + begin * size_of(tensor.element), tensor.element, tensor.rows, count, tensor.stride};
}

/// And of rows.
[[nodiscard]] inline Tensor rows_of(const Tensor& tensor, std::size_t begin, std::size_t count) {
  std::byte* const data = tensor.data + begin * tensor.stride * size_of(tensor.element);
  return {data, tensor.element, count, tensor.columns, tensor.stride};
}

/// Whether the view can be walked: memory behind it, aligned to its elements, and rows that do not overlap.
[[nodiscard]] bool well_formed(const Tensor& tensor);

/// Copies the elements of `from` to `to`, of the same shape. The two are the same view or do not overlap.
void copy(const Tensor& from, const Tensor& to);

/// For error messages: "i64 [3, 576]".
[[nodiscard]] std::string describe(const Tensor& tensor);

}  // namespace troupe::transport
