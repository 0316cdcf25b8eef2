#include "runtime/tiers/weight_stream.hpp"

#include <cstring>
#include <fstream>
#include <map>

#include "runtime/tiers/disk_file.hpp"
#include "runtime/tiers/packed_file.hpp"
#include "runtime/tiers/packed_reader.hpp"
#include "tests/host/fake_disk.hpp"
#include "tests/host/streamed.hpp"
#include "tests/seed.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr auto told = [](std::size_t) { return true; };

/// A stream of all layers of a model.
struct Streamed {
  explicit Streamed(FakeDisk::Read read = mark, std::uint32_t layers = 7)
      : model(layers), shard(model.least()), weights(shard.program->weights.size()) {
    REQUIRE(shard.stream->layers.size() == layers);
    disk = std::make_shared<FakeDisk>(std::move(read));
    stream = WeightStream::create(shard.program, shard.stream, disk, weights, counts).value();
  }
  Result<void> await(std::size_t unit) { return stream->await(unit, {}); }
  /// What the unit's first matrix begins with.
  std::size_t seen(std::size_t unit) {
    return std::to_integer<std::size_t>(*weights[shard.stream->layers[unit].weights[0]].matrix.data);
  }

  StreamedModel model;
  WantedWeights shard;
  std::vector<LoadedWeight> weights;
  std::shared_ptr<PrefetchCounts> counts = std::make_shared<PrefetchCounts>();
  std::shared_ptr<FakeDisk> disk;
  std::unique_ptr<WeightStream> stream;
};

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
  Streamed streamed;
  std::uint64_t used = 0;
  for (const std::size_t awaited : {7U, 7U, 2U, 7U, 0U, 1U, 5U, 7U}) {  // of seven
    for (std::size_t unit = 0; unit < awaited; ++unit) {
      REQUIRE(streamed.await(unit).ok());
      CHECK(streamed.seen(unit) == unit);
      ++used;
    }
    streamed.stream->end_step();
  }
  const PrefetchCounts& counts = *streamed.counts;
  // What was begun was used, or will be, or a broken step had no use for it; a first unit is awaited again.
  CHECK(counts.reads == streamed.disk->begun.size());
  CHECK(used - 1 == counts.reads - StreamPlan::buffers - counts.wasted);
  CHECK(counts.wasted > 0);
}

TEST_CASE("weight stream: as many are read ahead as there are buffers, over the end of a step") {
  Streamed streamed;
  const auto& begun = streamed.disk->begun;
  CHECK(begun == std::vector<std::size_t>{0, 1, 2});
  REQUIRE(streamed.await(0).ok());
  CHECK(begun.size() == 3);  // its buffer is in use, and so are the others
  REQUIRE(streamed.await(1).ok());
  CHECK(begun == std::vector<std::size_t>{0, 1, 2, 3});
  for (std::size_t unit = 2; unit < 7; ++unit) REQUIRE(streamed.await(unit).ok());
  CHECK(begun == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 0, 1});
  streamed.stream->end_step();
  streamed.stream->end_step();  // again, without a step between
  CHECK(begun == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 0, 1, 2});
}

TEST_CASE("weight stream: what a read fails with reaches who awaits it, and those who come later") {
  Streamed failing([](std::size_t unit, std::span<std::byte> into) -> Result<void> {
    if (unit == 2) return Error(Code::failed, "the disk is gone");
    return mark(unit, into);
  });
  for (int again = 0; again < 2; ++again) {
    REQUIRE(failing.await(0).ok());
    REQUIRE(failing.await(1).ok());
    const auto came = failing.await(2);
    REQUIRE_FALSE(came.ok());
    CHECK(came.error().message() == "the disk is gone");
    failing.stream->end_step();
  }
}

TEST_CASE("weight stream: a disk that stalls is waited for until the deadline") {
  Streamed stalled;
  stalled.disk->stalls = true;
  for (int again = 0; again < 2; ++again) {
    const auto came = stalled.stream->await(0, {.patience = std::chrono::milliseconds(1)});
    REQUIRE_FALSE(came.ok());
    CHECK(came.error().code() == Code::deadline);
    stalled.stream->end_step();
  }
  CHECK(stalled.counts->late == 2);
  stalled.disk->stalls = false;
  CHECK(stalled.await(0).ok());
  CHECK(stalled.seen(0) == 0);
}

/// Both ways of reading, on files of no round size, with all places busy.
TEST_CASE("disk file: reads what is there, however much at once, and says where it ends") {
  const TemporaryFolder folder;
  const std::size_t page = DiskFile::alignment, size = 40 * page;
  std::string bytes(size, '\0');
  Random random(first_seed());
  for (char& byte : bytes) byte = static_cast<char>(random());
  const std::string path = folder.write("file", bytes);
  for (const bool with_ring : {true, false}) {
    INFO((with_ring ? "ring" : "thread"));
    const auto file = DiskFile::open(path, 3, with_ring).value();
    auto memory = Buffer::allocate(3 * size, "a test").value();
    const auto at = [&](std::size_t place) { return memory.data() + place * size; };
    for (int round = 0; round < 50; ++round) {
      std::size_t offset[3], length[3];
      for (std::size_t place = 0; place < 3; ++place) {
        offset[place] = random() % 40 * page;
        length[place] = (1 + random() % ((size - offset[place]) / page)) * page;
        REQUIRE(file->begin(place, offset[place], {at(place), length[place]}).ok());
      }
      for (const std::size_t place : {2U, 0U, 1U}) {
        REQUIRE(file->wait(place, std::chrono::hours(1)).ok());
        CHECK(file->ready(place));
        CHECK(std::memcmp(at(place), bytes.data() + offset[place], length[place]) == 0);
        CHECK(file->wait(place, {}).ok());  // again
      }
    }
    REQUIRE(file->begin(0, 30 * page, {at(0), 20 * page}).ok());
    REQUIRE(file->begin(1, 0, {at(1), 2 * page}).ok());
    const auto ended = file->wait(0, std::chrono::hours(1));
    REQUIRE_FALSE(ended.ok());
    CHECK_THAT(ended.error().message(), Contains("reading at " + std::to_string(size)) && Contains("it ends there"));
    CHECK(file->wait(1, std::chrono::hours(1)).ok());
    CHECK(std::memcmp(at(1), bytes.data(), 2 * page) == 0);
    REQUIRE(file->begin(2, 0, {at(2), size}).ok());  // under way when it closes
  }
  CHECK_FALSE(DiskFile::open(folder.at("nothing"), 3).ok());
}

/// A read of several pieces: more than a ring asks for at once.
TEST_CASE("disk file: a large read comes whole") {
  const TemporaryFolder folder;
  std::string bytes(std::size_t{37} << 20, '\0');
  for (std::size_t i = 0; i < bytes.size(); i += 4096) std::memcpy(bytes.data() + i, &i, sizeof i);
  const std::string path = folder.write("file", bytes);
  auto memory = Buffer::allocate(bytes.size(), "a test").value();
  for (const bool with_ring : {true, false}) {
    const auto file = DiskFile::open(path, 1, with_ring).value();
    REQUIRE(file->begin(0, 0, {memory.data(), bytes.size()}).ok());
    REQUIRE(file->wait(0, std::chrono::hours(1)).ok());
    CHECK(std::memcmp(memory.data(), bytes.data(), bytes.size()) == 0);
    std::memset(memory.data(), 1, bytes.size());
  }
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
  CHECK(done == shard.stream->bytes_on_disk());
  const std::string before = contents(only_file(packed));
  const auto written = std::filesystem::last_write_time(file->path());

  const auto counts = std::make_shared<PrefetchCounts>();
  const auto again = PackedFile::open_or_make(packed, shard, 1, told).value();
  CHECK(std::filesystem::last_write_time(again->path()) == written);
  const auto reader = reader_of(again, shard.program, shard.stream, counts).value();
  auto memory = Buffer::allocate(shard.stream->buffer_bytes, "a test").value();
  for (std::size_t i = 0; i < shard.stream->layers.size(); ++i) {
    REQUIRE(reader->begin(0, i, {memory.data(), again->units()[i].bytes}).ok());
    REQUIRE(reader->wait(0, std::chrono::hours(1)).ok());
    std::vector<const Weight*> weights;
    for (const WeightId id : shard.stream->layers[i].weights) weights.push_back(&shard.program->weights[id]);
    const auto pieces = pack_weights(weights, 1, told).value();
    CHECK(std::memcmp(memory.data(), pieces[0]->weight().matrix.data, shard.stream->layers[i].bytes) == 0);
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
  for (const std::string& wrong :
       {std::string(), right.substr(0, 20), right.substr(0, right.size() - 4096), right + std::string(4096, '\0'),
        spoilt(0), spoilt(9), spoilt(40), spoilt(60), spoilt(first_unit)}) {
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
  const auto reader = reader_of(file, shard.program, shard.stream, counts).value();
  auto memory = Buffer::allocate(shard.stream->buffer_bytes, "a test").value();
  for (int again = 0; again < 2; ++again) {
    const PackedFile::Unit& unit = file->units()[1];
    REQUIRE(reader->begin(2, 1, {memory.data(), unit.bytes}).ok());
    REQUIRE(reader->wait(2, std::chrono::hours(1)).ok());
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
  const auto reader = reader_of(file, shard.program, shard.stream, counts).value();
  std::filesystem::resize_file(file->path(), file->units()[1].offset);
  auto memory = Buffer::allocate(shard.stream->buffer_bytes, "a test").value();
  REQUIRE(reader->begin(0, 1, {memory.data(), file->units()[1].bytes}).ok());
  const auto done = reader->wait(0, std::chrono::hours(1));
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
  for (const ActorMemory& actor : tiny.checkpoint.memory(tiny.checkpoint.expand(options), options))
    held += actor.weights;
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
