#include "runtime/tiers/weight_stream.hpp"

#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <map>

#include "runtime/tiers/disk_reader.hpp"
#include "runtime/tiers/packed_reader.hpp"
#include "runtime/tiers/packed_units.hpp"
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

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
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

/// Both ways of reading, of files of no round size, with all places busy.
TEST_CASE("disk reader: reads what is there, however much at once, and says where it ends") {
  const TemporaryFolder folder;
  const std::size_t page = DiskReader::alignment;
  Random random(first_seed());
  std::vector<std::string> paths, contents;
  for (std::size_t i = 0; i < 6; ++i) {
    std::string& bytes = contents.emplace_back((1 + random() % 40) * page + random() % page, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    paths.push_back(folder.write("file" + std::to_string(i), bytes));
  }
  auto memory = Buffer::allocate(3 * 40 * page, "a test").value();
  const auto at = [&](std::size_t place) { return memory.data() + place * 40 * page; };
  for (const bool with_ring : {true, false}) {
    INFO((with_ring ? "ring" : "thread"));
    const auto reader = DiskReader::create(3, with_ring);
    for (int round = 0; round < 50; ++round) {
      std::size_t file[3], length[3];
      for (std::size_t place = 0; place < 3; ++place) {
        file[place] = random() % contents.size();
        length[place] = (1 + random() % (contents[file[place]].size() / page)) * page;
        reader->begin(place, paths[file[place]], {at(place), length[place]});
      }
      for (const std::size_t place : {2U, 0U, 1U}) {
        REQUIRE(reader->wait(place, std::chrono::hours(1)).ok());
        CHECK(reader->ready(place));
        CHECK(std::memcmp(at(place), contents[file[place]].data(), length[place]) == 0);
        CHECK(reader->wait(place, {}).ok());  // again
      }
    }
    reader->begin(0, paths[0], {at(0), (contents[0].size() / page + 1) * page});
    reader->begin(1, paths[1], {at(1), page});
    reader->begin(2, folder.at("nothing"), {at(2), page});
    const auto ended = reader->wait(0, std::chrono::hours(1));
    REQUIRE_FALSE(ended.ok());
    CHECK_THAT(ended.error().message(), Contains("reading at ") && Contains(paths[0]));
    CHECK(reader->wait(1, std::chrono::hours(1)).ok());
    CHECK(std::memcmp(at(1), contents[1].data(), page) == 0);
    const auto nothing = reader->wait(2, std::chrono::hours(1));
    REQUIRE_FALSE(nothing.ok());
    CHECK_THAT(nothing.error().message(), Contains("No such file"));
    reader->begin(2, paths[2], {at(2), page});  // under way when it ends
  }
}

/// A read of several pieces: more than a ring asks for at once.
TEST_CASE("disk reader: a large read comes whole") {
  const TemporaryFolder folder;
  std::string bytes(std::size_t{37} << 20, '\0');
  for (std::size_t i = 0; i < bytes.size(); i += 4096) std::memcpy(bytes.data() + i, &i, sizeof i);
  const std::string path = folder.write("file", bytes);
  auto memory = Buffer::allocate(bytes.size(), "a test").value();
  for (const bool with_ring : {true, false}) {
    const auto reader = DiskReader::create(1, with_ring);
    reader->begin(0, path, {memory.data(), bytes.size()});
    REQUIRE(reader->wait(0, std::chrono::hours(1)).ok());
    CHECK(std::memcmp(memory.data(), bytes.data(), bytes.size()) == 0);
    std::memset(memory.data(), 1, bytes.size());
  }
}

TEST_CASE("packed units: are made once, whatever the budget, and are what packing gives") {
  const TemporaryFolder folder;
  const StreamedModel model(8);
  const WantedWeights some = model.wanted(0.8), all = model.least();
  const std::string packed = folder.at("some/where");
  std::size_t done = 0;
  const auto first = PackedUnits::find_or_make(packed, some, 2, [&](std::size_t bytes) {
                       done = bytes;
                       return true;
                     }).value();
  CHECK(done == some.stream->bytes_on_disk());
  std::map<std::string, std::filesystem::file_time_type> written;
  for (const PackedUnits::Unit& unit : first->units()) written[unit.path] = std::filesystem::last_write_time(unit.path);

  const auto units = PackedUnits::find_or_make(packed, all, 1, told).value();
  for (const auto& [path, when] : written) CHECK(std::filesystem::last_write_time(path) == when);
  CHECK(files_in(packed) == all.stream->units());  // those of `some` among them, and nothing half made

  const auto counts = std::make_shared<PrefetchCounts>();
  for (const bool with_ring : {true, false}) {
    const auto reader = reader_of(units, all.program, all.stream, counts, with_ring);
    auto memory = Buffer::allocate(all.stream->buffer_bytes, "a test").value();
    for (std::size_t i = 0; i < all.stream->units(); ++i) {
      REQUIRE(reader->begin(0, i, {memory.data(), units->units()[i].bytes}).ok());
      REQUIRE(reader->wait(0, std::chrono::hours(1)).ok());
      std::vector<const Weight*> weights;
      for (const WeightId id : all.stream->unit(i).weights) weights.push_back(&all.program->weights[id]);
      const auto pieces = pack_weights(weights, 1, told).value();
      CHECK(std::memcmp(memory.data(), pieces[0]->weight().matrix.data, all.stream->unit(i).bytes) == 0);
    }
  }
  CHECK(counts->mended == 0);
}

TEST_CASE("packed units: one that was cut, overwritten, or is another's is made anew", "[bad-input]") {
  const TemporaryFolder folder;
  const StreamedModel model(8);
  const WantedWeights shard = model.wanted(0.8);
  const auto make = [&] { return PackedUnits::find_or_make(folder.at("p"), shard, 1, told).value()->units()[1]; };
  const PackedUnits::Unit unit = make();
  const std::string right = contents(unit.path),
                    other =
                        contents(PackedUnits::find_or_make(folder.at("p"), shard, 1, told).value()->units()[0].path);
  const auto spoilt = [&](std::size_t at) {
    std::string wrong = right;
    wrong[at] = static_cast<char>(wrong[at] ^ 1);
    return wrong;
  };
  // Its first rows, which another build may have packed otherwise; and what it says of itself.
  for (const std::string& wrong : {std::string(), right.substr(0, 20), right.substr(0, unit.bytes), right + "x", other,
                                   spoilt(0), spoilt(unit.bytes), spoilt(unit.bytes + 8), spoilt(unit.bytes + 23)}) {
    std::ofstream(unit.path, std::ios::binary) << wrong;
    CHECK(make().hash == unit.hash);
    CHECK(contents(unit.path) == right);
  }
  std::filesystem::remove(unit.path);
  REQUIRE(::mkfifo(unit.path.c_str(), 0600) == 0);  // which nobody writes into
  CHECK(make().hash == unit.hash);
  CHECK(contents(unit.path) == right);
  CHECK(files_in(folder.at("p")) == shard.stream->units());  // nothing half made is left
}

TEST_CASE("packed units: one that the disk has lost is packed anew while it is needed, and mended", "[bad-input]") {
  const TemporaryFolder folder;
  const StreamedModel model(8);
  const WantedWeights shard = model.wanted(0.8);
  const auto units = PackedUnits::find_or_make(folder.at("p"), shard, 1, told).value();
  const PackedUnits::Unit& unit = units->units()[1];
  const std::string right = contents(unit.path);
  std::string wrong = right;
  wrong[unit.bytes / 2] ^= 1;
  auto memory = Buffer::allocate(shard.stream->buffer_bytes, "a test").value();
  for (const char* how : {"overwritten", "cut", "gone"}) {
    INFO(how);
    if (*how == 'o') std::ofstream(unit.path, std::ios::binary) << wrong;
    if (*how == 'c') std::filesystem::resize_file(unit.path, unit.bytes / 2);
    if (*how == 'g') std::filesystem::remove(unit.path);
    const auto counts = std::make_shared<PrefetchCounts>();
    const auto reader = reader_of(units, shard.program, shard.stream, counts);
    for (int again = 0; again < 2; ++again) {
      REQUIRE(reader->begin(2, 1, {memory.data(), unit.bytes}).ok());
      REQUIRE(reader->wait(2, std::chrono::hours(1)).ok());
      CHECK(std::memcmp(memory.data(), right.data(), unit.bytes) == 0);
      CHECK(counts->mended == 1);
    }
    CHECK(contents(unit.path) == right);
  }
  std::filesystem::remove_all(folder.at("p"));  // nor can it be kept
  const auto counts = std::make_shared<PrefetchCounts>();
  const auto reader = reader_of(units, shard.program, shard.stream, counts);
  for (std::uint64_t again = 1; again < 3; ++again) {
    REQUIRE(reader->begin(0, 1, {memory.data(), unit.bytes}).ok());
    REQUIRE(reader->wait(0, std::chrono::hours(1)).ok());
    CHECK(std::memcmp(memory.data(), right.data(), unit.bytes) == 0);
    CHECK(counts->mended == again);
  }
}

TEST_CASE("packed units: a folder that cannot be is said in one line", "[bad-input]") {
  const TemporaryFolder folder;
  const StreamedModel model(8);
  const WantedWeights shard = model.wanted(0.8);
  const auto nowhere = PackedUnits::find_or_make(folder.write("file", "x") + "/under", shard, 1, told);
  REQUIRE_FALSE(nowhere.ok());
  CHECK_THAT(nowhere.error().message(), Contains("packed weights cannot be kept in") && Contains("Not a directory"));

  const auto stopped = PackedUnits::find_or_make(folder.at("p"), shard, 1, [](std::size_t) { return false; });
  REQUIRE_FALSE(stopped.ok());
  CHECK(stopped.error().code() == Code::cancelled);
  CHECK(files_in(folder.at("p")) == 0);
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
