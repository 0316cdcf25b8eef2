#include "runtime/program/weights.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "kernels/floating_point.hpp"
#include "runtime/program/own_thread.hpp"

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

LoadedWeight place(const Weight& weight, std::byte* data, std::vector<Job>& jobs) {
  LoadedWeight loaded;
  loaded.columns = weight.source.tensor_columns;
  if (weight.use == Weight::Use::rows) {
    loaded.rows = weight.source.tensor;
    loaded.rows_format = weight.source.format;
  } else if (weight.use == Weight::Use::vector) {
    const kernels::PackSource& part = weight.source;
    loaded.columns = part.leaf_columns;
    kernels::info(part.format)
        .dequantize(part.tensor + kernels::row_bytes(part.format, part.first_column), part.leaf_columns,
                    reinterpret_cast<float*>(data));
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

/// Does all jobs, unless it is told to stop.
class Packer {
 public:
  Packer(const std::vector<Job>& jobs, std::size_t bytes, const Advanced& advanced)
      : jobs_(jobs), advanced_(advanced), done_(bytes) {
    for (const Job& job : jobs) done_ -= job.bytes;  // the rest needs no packing
  }

  /// False where it was told to stop.
  bool run(std::uint32_t threads) {
    std::vector<std::thread> others;
    others.reserve(threads);
    try {
      while (others.size() + 1 < threads) others.push_back(start_thread("troupe.pack", [this] { work_elsewhere(); }));
    } catch (const std::exception&) {  // the system has no more threads: those that there are will do
    }
    work();
    for (std::thread& other : others) other.join();
    return !stopped_;
  }

 private:
  void work_elsewhere() {
    kernels::set_floating_point_mode();
    work();
  }

  void work() {
    for (std::size_t i = next_++; i < jobs_.size() && !stopped_; i = next_++) {
      const Job& job = jobs_[i];
      kernels::pack(*job.source, job.first_group, job.last_group, job.data);
      const std::lock_guard lock(reporting_);
      done_ += job.bytes;
      if (!stopped_ && !advanced_(done_)) stopped_ = true;
    }
  }

  const std::vector<Job>& jobs_;
  const Advanced& advanced_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::mutex reporting_;
  std::size_t done_;
};

}  // namespace

std::size_t weight_bytes(const Weight& weight) {
  std::size_t bytes = 0;
  if (weight.use == Weight::Use::vector) bytes = weight.source.leaf_columns * sizeof(float);
  if (weight.use == Weight::Use::matrix) {
    const kernels::PackedMatrix layout = kernels::packed_layout(weight.source);
    bytes = layout.groups() * layout.group_bytes + kernels::packed_padding;
  }
  return (bytes + alignment - 1) / alignment * alignment;
}

LoadedWeight unplaced(const Weight& weight) {
  LoadedWeight loaded;
  loaded.columns = weight.source.tensor_columns;
  loaded.matrix = kernels::packed_layout(weight.source);
  return loaded;
}

Result<std::vector<std::shared_ptr<const WeightPiece>>> pack_weights(const std::vector<const Weight*>& weights,
                                                                     std::uint32_t threads, const Advanced& advanced) {
  std::size_t bytes = 0;
  for (const Weight* weight : weights) bytes += weight_bytes(*weight);
  auto memory = Buffer::allocate(bytes, "packed weights");
  if (!memory) return memory.error();
  const auto shared = std::make_shared<const Buffer>(std::move(*memory));

  std::vector<std::shared_ptr<const WeightPiece>> pieces;
  std::vector<Job> jobs;
  std::byte* at = shared->data();
  for (const Weight* weight : weights) {
    pieces.push_back(std::make_shared<const WeightPiece>(place(*weight, at, jobs), shared));
    at += weight_bytes(*weight);
  }
  if (!Packer(jobs, bytes, advanced).run(threads))
    return Error(Code::cancelled, "the packing of weights was cancelled");
  return pieces;
}

}  // namespace troupe
