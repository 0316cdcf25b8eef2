#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/format.hpp"
#include "tests/host/stored.hpp"
#include "tests/runtime/gguf_fixture.hpp"

namespace troupe::testing {

/// A LoRA adapter with random values, as llama.cpp's converter writes it, for a model's matrices.
struct TinyAdapter {
  std::string architecture = "llama";
  std::uint64_t rank = 3;
  std::uint32_t seed = 1;
  kernels::Format format = kernels::Format::f16;
  /// Adds keys of the test's own, alpha among them.
  std::function<void(GgufWriter& writer)> keys = [](GgufWriter& writer) {
    writer.number("adapter.lora.alpha", ElementType::f32, 2.0F);
  };
  std::function<bool(const std::string& matrix)> has = [](const std::string&) { return true; };

  /// The bytes of its file.
  [[nodiscard]] std::string file(const ModelFile& model) const {
    GgufWriter writer;
    writer.string("general.type", "adapter").string("general.architecture", architecture);
    writer.string("adapter.type", "lora");
    keys(writer);
    std::string data;
    std::mt19937 random(seed);
    const auto add = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns) {
      writer.tensor(name, {columns, rows}, kernels::info(format).gguf_type, data.size());
      std::normal_distribution<float> normal(0.0F, 0.3F);
      std::vector<float> values(rows * columns);
      for (float& value : values) value = normal(random);
      const std::vector<std::byte> bytes = stored(format, values);
      data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      data.resize((data.size() + 31) / 32 * 32);
    };
    for (const FileTensor& tensor : model.tensors) {
      const std::string name(tensor.name);
      if (tensor.rows == 1 || !has(name)) continue;
      const bool embedding = name == "token_embd.weight";
      add(name + ".lora_a", embedding ? tensor.rows : rank, embedding ? rank : tensor.columns);
      add(name + ".lora_b", embedding ? tensor.columns : tensor.rows, rank);
    }
    return with_data(writer, data);
  }
};

}  // namespace troupe::testing
