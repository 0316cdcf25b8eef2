#include <catch2/catch.hpp>
#include <cmath>

#include "runtime/program/rank_grid.hpp"
#include "tests/equality/hand_wired.hpp"
#include "tests/equality/subject.hpp"
#include "tests/model_files.hpp"

// Would the comparison see a sum in another order? Each of these is what an engine without the contract does.

namespace troupe::testing {
namespace {

/// rms_norm with the sum of squares in so many lanes, added as a tree. The contract's number is 16.
template <std::size_t lane_count>
void rms_norm(const float* x, const float* weight, float eps, std::size_t n, float* out) {
  float lanes[lane_count] = {};
  for (std::size_t i = 0; i < n; ++i) lanes[i % lane_count] = std::fma(x[i], x[i], lanes[i % lane_count]);
  for (std::size_t half = lane_count / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  const float r = 1.0F / std::sqrt(lanes[0] / static_cast<float>(n) + eps);
  for (std::size_t i = 0; i < n; ++i) out[i] = (x[i] * r) * weight[i];
}

/// Ranks add their sums as floats, as an ordinary all-reduce does.
class FloatSums : public transport::Communicator {
 public:
  explicit FloatSums(std::unique_ptr<transport::Communicator> integers) : integers_(std::move(integers)) {}
  [[nodiscard]] int rank() const override { return integers_->rank(); }
  [[nodiscard]] int size() const override { return integers_->size(); }
  void abort(Error why) override { integers_->abort(std::move(why)); }

  [[nodiscard]] Result<transport::Event> all_reduce(transport::Tensor partial, transport::Tensor sum,
                                                    transport::Deadline deadline) override {
    const std::size_t count = partial.rows * partial.columns, ranks = static_cast<std::size_t>(size());
    const auto* mine = reinterpret_cast<const std::int64_t*>(partial.data);
    std::vector<float> floats(count), all(count * ranks);
    for (std::size_t i = 0; i < count; ++i) floats[i] = static_cast<float>(mine[i]) * 0x1p-32F;
    const auto row = [](std::vector<float>& values) { return transport::tensor_of(values.data(), 1, values.size()); };
    const auto gathered = ended(integers_->all_gather(row(floats), row(all), deadline), deadline);
    if (!gathered) return gathered.error();
    for (std::size_t i = 0; i < count; ++i) {
      float total = 0;
      for (std::size_t r = 0; r < ranks; ++r) total += all[r * count + i];
      reinterpret_cast<std::int64_t*>(sum.data)[i] = static_cast<std::int64_t>(std::ldexp(total, 32));
    }
    return transport::Event();
  }
  [[nodiscard]] Result<transport::Event> reduce_scatter(transport::Tensor partial, transport::Tensor sum,
                                                        transport::Deadline deadline) override {
    std::vector<std::int64_t> all(partial.rows * partial.columns);
    const auto whole = transport::tensor_of(all.data(), partial.rows, partial.columns);
    if (auto added = all_reduce(partial, whole, deadline); !added) return added;
    const Range mine = even_part(static_cast<std::uint32_t>(partial.rows), static_cast<std::uint32_t>(rank()),
                                 static_cast<std::uint32_t>(size()));
    copy(rows_of(whole, mine.first, mine.size()), sum);
    return transport::Event();
  }
  [[nodiscard]] Result<transport::Event> all_gather(transport::Tensor in, transport::Tensor out,
                                                    transport::Deadline deadline) override {
    return integers_->all_gather(in, out, deadline);
  }
  [[nodiscard]] Result<transport::Event> all_to_all(transport::Tensor in, std::span<const std::size_t> gives,
                                                    transport::Tensor out, std::span<const std::size_t> takes,
                                                    transport::Deadline deadline) override {
    return integers_->all_to_all(in, gives, out, takes, deadline);
  }
  [[nodiscard]] Result<transport::Event> broadcast(transport::Tensor tensor, int root,
                                                   transport::Deadline deadline) override {
    return integers_->broadcast(tensor, root, deadline);
  }

 private:
  std::unique_ptr<transport::Communicator> integers_;
};

struct Fixture {
  const std::filesystem::path path = model_path(smollm2);
  const bool absent = !std::filesystem::exists(path);
  std::optional<Checkpoint> checkpoint;
  std::vector<TokenId> ids;
  std::uint64_t right = 0;

  Fixture() {
    if (absent) {
      WARN("skipped: there is no " << path.string());
      return;
    }
    checkpoint = Runtime().open(path.string());
    ids = checkpoint->prompt(some_text(30));
    const Model model = Runtime().load(*checkpoint);
    RunningHash hash;
    model.logits(ids, true, [&](std::uint32_t, std::span<const float> logits) { right = hash.add(logits); });
  }
};

TEST_CASE_METHOD(Fixture, "wrong order: what is wired by hand is right before something wrong is planted",
                 "[equality]") {
  if (absent) return;
  CHECK(hash_of(*checkpoint, ids, 1) == right);
  CHECK(hash_of(*checkpoint, ids, 2) == right);
  CHECK(hash_of(*checkpoint, ids, 3) == right);
}

TEST_CASE_METHOD(Fixture, "wrong order: a norm whose squares are added in another order is seen", "[equality]") {
  if (absent) return;
  kernels::KernelTable same = *kernels::find_table(), wrong = same;
  same.rms_norm = rms_norm<16>;
  wrong.rms_norm = rms_norm<8>;
  CHECK(hash_of(*checkpoint, ids, 1, {.kernels = &same}) == right);
  CHECK(hash_of(*checkpoint, ids, 1, {.kernels = &wrong}) != right);
}

TEST_CASE_METHOD(Fixture, "wrong order: ranks that add floats are seen", "[equality]") {
  if (absent) return;
  const Parts floats{
      .wrap_communicator = [](auto integers) { return std::make_unique<FloatSums>(std::move(integers)); }};
  const std::uint64_t two = hash_of(*checkpoint, ids, 2, floats), three = hash_of(*checkpoint, ids, 3, floats);
  CHECK(two != right);
  CHECK(three != right);
  CHECK(two != three);
}

}  // namespace
}  // namespace troupe::testing
