#include "runtime/tiers/weight_stream.hpp"

#include <cstring>
#include <fstream>
#include <latch>

#include "runtime/tiers/packed_file.hpp"
#include "runtime/tiers/packed_reader.hpp"
#include "tests/host/streamed.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr transport::WaitPolicy policy{.spins = 0};
constexpr auto told = [](std::size_t) { return true; };

/// A stream of all layers of a model, whose disk is a function.
struct Streamed {
  explicit Streamed(ReadUnit read, std::uint32_t layers = 5)
      : model(layers), shard(model.wanted(0.99)), weights(shard.program->weights.size()) {
    while (shard.stream->units.size() < layers) {  // the least, which has all of them on disk
      std::vector<WantedWeights> shards{model.wanted()};
      const WeightsBudget budget = weights_budget(shards);
      shard = model.wanted(static_cast<double>(budget.least) / static_cast<double>(budget.all) + 1e-9);
    }
    stream = WeightStream::create(shard.program, shard.stream, std::move(read), weights, counts).value();
  }
  Result<void> await(std::uint32_t unit) { return stream->await(unit, policy, {}); }
  /// Where the unit's first matrix lies.
  const std::byte* place(std::uint32_t unit) { return weights[shard.stream->units[unit].weights[0]].matrix.data; }

  StreamedModel model;
  WantedWeights shard;
  std::vector<LoadedWeight> weights;
  std::shared_ptr<PrefetchCounts> counts = std::make_shared<PrefetchCounts>();
  std::unique_ptr<WeightStream> stream;
};

/// Writes the unit's number all over.
Result<void> mark(std::size_t unit, std::span<std::byte> into) {
  std::memset(into.data(), static_cast<int>(unit), into.size());
  return {};
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string only_file(const std::filesystem::path& folder) {
  std::vector<std::string> all;
  for (const auto& each : std::filesystem::directory_iterator(folder)) all.push_back(each.path());
  REQUIRE(all.size() == 1);
  return all[0];
}

}  // namespace

TEST_CASE("weight stream: every unit is there when it is awaited, step after step, and over a step that broke") {
  std::vector<std::size_t> read;  // by its thread alone, until it has ended
  {
    Streamed streamed([&](std::size_t unit, std::span<std::byte> into) {
      read.push_back(unit);
      return mark(unit, into);
    });
    for (const std::uint32_t awaited : {5U, 5U, 2U, 5U, 0U, 5U}) {  // of five, and of the third step two
      for (std::uint32_t unit = 0; unit < awaited; ++unit) {
        REQUIRE(streamed.await(unit).ok());
        CHECK(*streamed.place(unit) == static_cast<std::byte>(unit));
      }
      streamed.stream->end_step();
    }
  }
  for (std::size_t i = 0; i < 10; ++i) CHECK(read[i] == i % 5);
}

TEST_CASE("weight stream: a unit is read while the one before it is in use, and the next one only when that is given up") {
  std::latch first(2), second(1);  // arrives: the reader, with the second unit, while the first is in use
  std::atomic<std::size_t> most{0};
  Streamed streamed([&](std::size_t unit, std::span<std::byte> into) {
    most = std::max<std::size_t>(most, unit);
    if (unit == 1) first.arrive_and_wait();
    return mark(unit, into);
  });
  REQUIRE(streamed.await(0).ok());
  first.arrive_and_wait();
  CHECK(*streamed.place(0) == std::byte{0});
  REQUIRE(streamed.await(1).ok());
  CHECK(most < 3);
  CHECK(streamed.place(0) != streamed.place(1));
}

TEST_CASE("weight stream: what a read fails with, or throws, reaches who awaits it, and those who come later") {
  Streamed failing([](std::size_t unit, std::span<std::byte> into) -> Result<void> {
    if (unit == 2) return Error(Code::failed, "the disk is gone");
    return mark(unit, into);
  });
  REQUIRE(failing.await(0).ok());
  REQUIRE(failing.await(1).ok());
  for (int i = 0; i < 2; ++i) {
    const auto came = failing.await(2);
    REQUIRE_FALSE(came.ok());
    CHECK(came.error().message() == "the disk is gone");
    failing.stream->end_step();
  }
  Streamed throwing([](std::size_t, std::span<std::byte>) -> Result<void> { throw std::bad_alloc(); });
  CHECK_FALSE(throwing.await(0).ok());
}

TEST_CASE("weight stream: a disk that stalls is waited for until the deadline") {
  std::latch released(1);
  Streamed stalled([&](std::size_t unit, std::span<std::byte> into) {
    released.wait();
    return mark(unit, into);
  });
  const auto came = stalled.stream->await(0, policy, {.patience = std::chrono::milliseconds(1)});
  REQUIRE_FALSE(came.ok());
  CHECK(came.error().code() == Code::deadline);
  CHECK_THAT(came.error().message(), Contains("weights from disk"));
  CHECK(stalled.counts->late == 1);
  released.count_down();
  CHECK(stalled.await(0).ok());
}

TEST_CASE("packed file: is made once, and its units are what packing gives") {
  const TemporaryFolder folder;
  const StreamedModel model(6);
  const WantedWeights shard = model.wanted(0.8);
  const std::string packed = folder.at("some/where");
  std::size_t done = 0;
  const auto file = PackedFile::open_or_make(packed, shard, 2, [&](std::size_t bytes) {
                      done = bytes;
                      return true;
                    }).value();
  CHECK(done == shard.stream->streamed());
  const std::string before = contents(only_file(packed));
  const auto written = std::filesystem::last_write_time(file->path());

  const auto counts = std::make_shared<PrefetchCounts>();
  const auto again = PackedFile::open_or_make(packed, shard, 1, told).value();
  CHECK(std::filesystem::last_write_time(again->path()) == written);
  const ReadUnit read = reader_of(again, shard.program, shard.stream, counts).value();
  auto memory = Buffer::allocate(shard.stream->buffer_bytes, "a test").value();
  for (std::size_t i = 0; i < shard.stream->units.size(); ++i) {
    REQUIRE(read(i, {memory.data(), again->units()[i].bytes}).ok());
    std::vector<const Weight*> weights;
    for (const WeightId id : shard.stream->units[i].weights) weights.push_back(&shard.program->weights[id]);
    const auto pieces = pack_weights(weights, 1, told).value();
    CHECK(std::memcmp(memory.data(), pieces[0]->weight().matrix.data, shard.stream->units[i].bytes) == 0);
  }
  CHECK(counts->mended == 0);
}

TEST_CASE("packed file: one that was cut, overwritten, or is another's is made anew", "[bad-input]") {
  const TemporaryFolder folder;
  const StreamedModel model(6);
  const WantedWeights shard = model.wanted(0.8);
  const auto make = [&] { return PackedFile::open_or_make(folder.at("p"), shard, 1, told).value()->path(); };
  const std::string path = make();
  const std::string right = contents(path);
  const auto spoilt = [&](std::size_t at) {
    std::string wrong = right;
    wrong[at] = static_cast<char>(wrong[at] ^ 1);
    return wrong;
  };
  const std::size_t first_unit = 4096;  // its first rows, which another build may have packed otherwise
  for (const std::string& wrong : {std::string(), right.substr(0, 20), right.substr(0, right.size() - 4096),
                                   right + std::string(4096, '\0'), spoilt(0), spoilt(9), spoilt(40), spoilt(60),
                                   spoilt(first_unit)}) {
    std::ofstream(path, std::ios::binary) << wrong;
    CHECK(make() == path);
    CHECK(contents(path) == right);
  }
  CHECK(only_file(folder.at("p")) == path);  // nothing half made is left
}

TEST_CASE("packed file: a unit that the disk has lost is packed anew, and mended", "[bad-input]") {
  const TemporaryFolder folder;
  const StreamedModel model(6);
  const WantedWeights shard = model.wanted(0.8);
  const auto file = PackedFile::open_or_make(folder.at("p"), shard, 1, told).value();
  const std::string right = contents(file->path());
  std::string wrong = right;
  wrong[file->units()[1].offset + file->units()[1].bytes / 2] ^= 1;
  std::ofstream(file->path(), std::ios::binary) << wrong;
  const auto counts = std::make_shared<PrefetchCounts>();
  const ReadUnit read = reader_of(file, shard.program, shard.stream, counts).value();
  auto memory = Buffer::allocate(shard.stream->buffer_bytes, "a test").value();
  for (int again = 0; again < 2; ++again) {
    const PackedFile::Unit& unit = file->units()[1];
    REQUIRE(read(1, {memory.data(), unit.bytes}).ok());
    CHECK(std::memcmp(memory.data(), right.data() + unit.offset, unit.bytes) == 0);
    CHECK(counts->mended == 1);
  }
  CHECK(contents(file->path()) == right);
}

TEST_CASE("packed file: what cannot be read or kept is said in one line", "[bad-input]") {
  const TemporaryFolder folder;
  const StreamedModel model(6);
  const WantedWeights shard = model.wanted(0.8);
  const auto nowhere = PackedFile::open_or_make(folder.write("file", "x") + "/under", shard, 1, told);
  REQUIRE_FALSE(nowhere.ok());
  CHECK_THAT(nowhere.error().message(), Contains("packed weights cannot be kept in") && Contains("Not a directory"));

  const auto stopped = PackedFile::open_or_make(folder.at("p"), shard, 1, [](std::size_t) { return false; });
  REQUIRE_FALSE(stopped.ok());
  CHECK(stopped.error().code() == Code::cancelled);
  CHECK(std::filesystem::is_empty(folder.at("p")));

  const auto file = PackedFile::open_or_make(folder.at("p"), shard, 1, told).value();
  const auto counts = std::make_shared<PrefetchCounts>();
  const ReadUnit read = reader_of(file, shard.program, shard.stream, counts).value();
  std::filesystem::resize_file(file->path(), file->units()[1].offset);
  auto memory = Buffer::allocate(shard.stream->buffer_bytes, "a test").value();
  const auto done = read(1, {memory.data(), file->units()[1].bytes});
  REQUIRE_FALSE(done.ok());
  CHECK_THAT(done.error().message(), Contains("it ends there"));
}

TEST_CASE("a model whose weights are on disk says what it read, and the same as one that has them in memory") {
  const TemporaryFolder folder;
  const StreamedModel tiny(8);
  Runtime runtime;
  LoadOptions options{.threads = 1, .context = 64};
  const Model whole = runtime.load(tiny.checkpoint, options);
  options.weights_budget = 0.7;
  options.weights_folder = folder.at("packed");
  const Model streamed = runtime.load(tiny.checkpoint, options);
  CHECK(continued(streamed, {1, 2, 3}, 20) == continued(whole, {1, 2, 3}, 20));
  const PrefetchStats stats = streamed.stats().prefetch;
  CHECK(stats.reads >= 20 * 3);
  CHECK(stats.bytes > stats.reads * 4096);
  CHECK(stats.mended == 0);
  CHECK(whole.stats().prefetch.reads == 0);

  std::uint64_t all = 0, held = 0;
  for (const ActorMemory& actor : tiny.checkpoint.memory(tiny.checkpoint.expand({.threads = 1}), {.threads = 1}))
    all += actor.weights;
  for (const ActorMemory& actor : tiny.checkpoint.memory(tiny.checkpoint.expand(options), options)) held += actor.weights;
  CHECK(held <= all * 7 / 10);
}

TEST_CASE("a weights budget that is no share of anything is refused", "[bad-input]") {
  const StreamedModel tiny(4);
  for (const double budget : {0.0, -1.0, 1.5, std::nan("")}) {
    LoadOptions options{.weights_budget = budget};
    CHECK(error_of([&] { (void)Runtime().load(tiny.checkpoint, options); }).code() == Code::invalid_argument);
  }
}

}  // namespace troupe::testing
