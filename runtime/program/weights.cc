#include "runtime/program/weights.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

namespace troupe {
namespace {

constexpr std::size_t alignment = 64;

/// Groups that one thread packs at a time.
constexpr std::size_t job_groups = 32;

struct Job {
  const kernels::PackSource* source;
  std::byte* data;
  std::size_t first_group, last_group, bytes;
};

std::size_t bytes_of(const Weight& weight) {
  std::size_t bytes = 0;
  if (weight.use == Weight::Use::vector) bytes = weight.source.tensor_columns * sizeof(float);
  if (weight.use == Weight::Use::matrix) {
    const kernels::PackedMatrix layout = kernels::packed_layout(weight.source);
    bytes = layout.groups() * layout.group_bytes + kernels::packed_padding;
  }
  return (bytes + alignment - 1) / alignment * alignment;
}

LoadedWeight place(const Weight& weight, std::byte* data, std::vector<Job>& jobs) {
  LoadedWeight loaded;
  loaded.columns = weight.source.tensor_columns;
  if (weight.use == Weight::Use::rows) {
    loaded.rows = weight.source.tensor;
    loaded.rows_format = weight.source.format;
  } else if (weight.use == Weight::Use::vector) {
    std::memcpy(data, weight.source.tensor, loaded.columns * sizeof(float));
    loaded.vector = reinterpret_cast<const float*>(data);
  } else {
    loaded.matrix = kernels::packed_layout(weight.source);
    loaded.matrix.data = data;
    const std::size_t groups = loaded.matrix.groups();
    for (std::size_t first = 0; first < groups; first += job_groups) {
      const std::size_t last = std::min(first + job_groups, groups);
      jobs.push_back({&weight.source, data, first, last, (last - first) * loaded.matrix.group_bytes});
    }
  }
  return loaded;
}

}  // namespace

std::size_t weight_bytes(const Program& program) {
  std::size_t bytes = 0;
  for (const Weight& weight : program.weights) bytes += bytes_of(weight);
  return bytes;
}

Result<std::shared_ptr<const ShardWeights>> pack_weights(const Program& program, std::uint32_t threads,
                                                         const std::function<void(std::size_t)>& advanced) {
  auto memory = Buffer::allocate(weight_bytes(program), "packed weights");
  if (!memory) return memory.error();
  auto packed = std::make_shared<ShardWeights>();
  packed->memory = std::move(*memory);

  std::vector<Job> jobs;
  std::byte* at = packed->memory.data();
  for (const Weight& weight : program.weights) {
    packed->weights.push_back(place(weight, at, jobs));
    at += bytes_of(weight);
  }

  std::atomic<std::size_t> next{0};
  std::mutex reporting;
  std::size_t done = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      kernels::pack(*jobs[i].source, jobs[i].first_group, jobs[i].last_group, jobs[i].data);
      const std::lock_guard lock(reporting);
      done += jobs[i].bytes;
      advanced(done);
    }
  };
  std::vector<std::thread> others;
  for (std::uint32_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  return std::shared_ptr<const ShardWeights>(std::move(packed));
}

}  // namespace troupe
