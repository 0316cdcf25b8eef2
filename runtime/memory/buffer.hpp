#pragma once

#include <cstddef>
#include <utility>

#include "troupe/error.hpp"

namespace troupe {

/// Zeroed anonymous memory, aligned to a page (to 2 MiB where it is larger, so that the kernel can use huge pages).
class Buffer {
 public:
  Buffer() = default;
  [[nodiscard]] static Result<Buffer> allocate(std::size_t bytes, const char* what);
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(mapping_, other.mapping_);
    std::swap(mapped_, other.mapped_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~Buffer();

  [[nodiscard]] std::byte* data() const { return data_; }

 private:
  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace troupe
