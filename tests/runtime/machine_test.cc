#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "runtime/machine/core_ledger.hpp"
#include "runtime/machine/cores.hpp"
#include "runtime/machine/cpu_quota.hpp"

#include <unistd.h>

namespace troupe::testing {
namespace {

namespace fs = std::filesystem;

/// A made-up root folder.
class Tree {
 public:
  Tree() {
    char name[] = "/tmp/troupe_machine_XXXXXX";
    if (mkdtemp(name) == nullptr) throw std::runtime_error("no folder can be made in /tmp");
    root_ = name;
  }
  ~Tree() { fs::remove_all(root_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  Tree& file(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
    return *this;
  }
  Tree& group(const std::string& lines) { return file("proc/self/cgroup", lines); }
  Tree& mounts(const std::string& lines) { return file("proc/self/mountinfo", lines); }
  Tree& v1(const std::string& folder, const std::string& quota, const std::string& period) {
    return file(folder + "/cpu.cfs_quota_us", quota).file(folder + "/cpu.cfs_period_us", period);
  }
  Tree& v2(const std::string& folder, const std::string& max) { return file(folder + "/cpu.max", max); }
  [[nodiscard]] std::uint32_t quota() const { return cpu_quota(root_); }

 private:
  fs::path root_;
};

const std::string v2_mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
const std::string v1_mount = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct";

std::shared_ptr<const CoreLedger::Lease> enter(const std::shared_ptr<CoreLedger>& ledger, std::size_t threads,
                                               const std::vector<int>& cores, std::uint32_t quota) {
  return ledger->enter({threads}, cores, quota)[0];
}

}  // namespace

TEST_CASE("fault 17: the quota of a control group, version 2") {
  Tree tree;
  tree.group("0::/a/b").mounts("1 1 0:1 / / rw - ext4 /dev/sda rw\n" + v2_mount);
  CHECK(tree.quota() == no_quota);  // no cpu.max anywhere
  tree.v2("sys/fs/cgroup/a/b", "max 100000");
  CHECK(tree.quota() == no_quota);
  tree.v2("sys/fs/cgroup/a/b", "200000 100000");
  CHECK(tree.quota() == 2);
  tree.v2("sys/fs/cgroup/a/b", "200001 100000");
  CHECK(tree.quota() == 3);
  tree.v2("sys/fs/cgroup/a/b", "1000 100000");
  CHECK(tree.quota() == 1);
  tree.v2("sys/fs/cgroup/a/b", "250000 50000");
  CHECK(tree.quota() == 5);
  tree.v2("sys/fs/cgroup/a", "300000 100000");  // an ancestor that allows less
  CHECK(tree.quota() == 3);
  tree.v2("sys/fs/cgroup/ab", "1 100000");  // a neighbour
  tree.v2("sys/fs/cgroup/a/b/c", "1 100000");
  CHECK(tree.quota() == 3);
  tree.v2("sys/fs/cgroup", "100000 100000");  // a container's own group is its root
  CHECK(tree.quota() == 1);
}

TEST_CASE("fault 17: the quota of a control group, version 1") {
  Tree tree;
  tree.group("9:memory:/m\n4:cpu,cpuacct:/jobs/mine\n3:cpuset:/s\n0::/").mounts(v1_mount);
  CHECK(tree.quota() == no_quota);
  tree.v1("sys/fs/cgroup/cpu,cpuacct/jobs/mine", "-1", "100000");
  CHECK(tree.quota() == no_quota);
  tree.v1("sys/fs/cgroup/cpu,cpuacct/jobs/mine", "150000", "100000");
  CHECK(tree.quota() == 2);
  tree.v1("sys/fs/cgroup/cpu,cpuacct/jobs", "50000", "100000");
  CHECK(tree.quota() == 1);
  tree.v1("sys/fs/cgroup/cpu,cpuacct/jobs", "400000", "100000");
  CHECK(tree.quota() == 2);
  tree.v1("sys/fs/cgroup/cpu,cpuacct/m", "1", "100000").v1("sys/fs/cgroup/cpu,cpuacct/s", "1", "100000");
  CHECK(tree.quota() == 2);
}

TEST_CASE("fault 17: mounts that show a part, are nested, or have odd names") {
  Tree part;  // a container that sees its own group alone
  part.group("4:cpu:/docker/abc/inner\n0::/docker/abc")
      .mounts(
          "5 1 0:9 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
          "6 1 0:9 /docker/abcd /elsewhere ro - cgroup cgroup rw,cpu\n"
          "7 1 0:9 /docker/other /another ro - cgroup cgroup rw,cpu")
      .v1("elsewhere", "1", "100000")
      .v1("another", "1", "100000")
      .v1("sys/fs/cgroup/cpu", "300000", "100000");
  CHECK(part.quota() == 3);
  part.v1("sys/fs/cgroup/cpu/inner", "200000", "100000");
  CHECK(part.quota() == 2);

  Tree both;  // version 2 within version 1, one mounted over a folder of the other
  both.group("4:cpu:/x\n0::/y")
      .mounts(
          "5 1 0:9 / /sys/fs/cgroup/cpu rw master:1 propagate_from:2 - cgroup none rw,cpu\n"
          "6 5 0:8 / /sys/fs/cgroup/cpu/two\\040words rw - cgroup2 none rw")
      .v1("sys/fs/cgroup/cpu/x", "500000", "100000")
      .v2("sys/fs/cgroup/cpu/two words/y", "400000 100000");
  CHECK(both.quota() == 4);
  both.v1("sys/fs/cgroup/cpu/x", "300000", "100000");
  CHECK(both.quota() == 3);

  Tree outside;  // a group that this namespace does not show
  outside.group("0::/../other").mounts(v2_mount).v2("sys/fs/cgroup/other", "1 100000").v2("sys/fs", "1 100000");
  CHECK(outside.quota() == no_quota);
  Tree colon;
  colon.group("0::/a:b/c").mounts(v2_mount).v2("sys/fs/cgroup/a:b", "100000 100000");
  CHECK(colon.quota() == 1);
}

TEST_CASE("fault 17: what is missing or odd sets no quota", "[bad-input]") {
  Tree tree;
  CHECK(tree.quota() == no_quota);
  tree.group("0::/a");
  CHECK(tree.quota() == no_quota);
  for (const char* odd :
       {"", "-", "cgroup2", "1 2 3 4 5 6 -", "1 2 3 / - cgroup2 x y", "\\", "\\04 - - - - - - cgroup2"}) {
    tree.mounts(odd);
    CHECK(tree.quota() == no_quota);
  }
  tree.mounts(v2_mount);
  for (const char* odd :
       {"", "0", "100000", "0 100000", "100000 0", "-5 100000", "x y", "1e3 10", " 1 2", "99999999999999999999999 1"}) {
    tree.v2("sys/fs/cgroup/a", odd);
    INFO(odd);
    CHECK(tree.quota() == no_quota);
  }
  tree.v2("sys/fs/cgroup/a", "18446744073709551615 1");
  CHECK(tree.quota() == no_quota);
  tree.v2("sys/fs/cgroup/a", "100000 100000");
  for (const char* odd : {"", ":", "::", "0:", "x", "0:cpu", "0::"}) {
    tree.group(odd);
    CHECK(tree.quota() == no_quota);
  }
}

TEST_CASE("fault 17: threads that can be busy are of the usable cores those that the quota allows") {
  CHECK(busy_threads() >= 1);
  CHECK(busy_threads() == std::min<std::size_t>(usable_cores().size(), cpu_quota()));
}

TEST_CASE("fault 17: cores are found on machines with more than 1024 processors") {
  const auto machine = [](std::size_t processors, std::vector<std::size_t> usable) {
    return [=](std::size_t bytes, cpu_set_t* set) {
      if (bytes * 8 < processors) return false;
      for (const std::size_t core : usable) CPU_SET_S(core, bytes, set);
      return true;
    };
  };
  CHECK(usable_cores(machine(4, {1, 3})) == std::vector<int>{1, 3});
  CHECK(usable_cores(machine(1024, {1023})) == std::vector<int>{1023});
  CHECK(usable_cores(machine(1025, {0, 1024})) == std::vector<int>{0, 1024});
  CHECK(usable_cores(machine(6000, {7, 1024, 5999})) == std::vector<int>{7, 1024, 5999});
  CHECK(usable_cores([](std::size_t, cpu_set_t*) { return false; }) == std::vector<int>{0});
  CHECK_FALSE(usable_cores().empty());
}

TEST_CASE("fault 17: a thread is pinned to one core, and one that there is not is ignored") {
  std::vector<int> before, odd, pinned;
  const int core = usable_cores().back();
  std::thread([&] {
    before = usable_cores();
    pin_thread(5000);
    odd = usable_cores();
    pin_thread(core);
    pinned = usable_cores();
  }).join();
  CHECK(odd == before);
  CHECK(pinned == std::vector<int>{core});
}

TEST_CASE("fault 18: cores belong to one model, and come back") {
  const auto ledger = std::make_shared<CoreLedger>();
  const std::vector<int> cores{2, 3, 5};
  auto first = enter(ledger, 3, cores, no_quota);
  CHECK(first->pinned() == cores);
  CHECK_FALSE(first->crowded().load());
  auto second = enter(ledger, 3, cores, no_quota);
  CHECK(second->pinned().empty());
  CHECK(second->crowded().load());
  first.reset();
  auto third = enter(ledger, 3, cores, no_quota);  // the second runs there still
  CHECK(third->pinned().empty());
  CHECK(third->crowded().load());
  second.reset();
  third.reset();
  CHECK(enter(ledger, 3, cores, no_quota)->pinned() == cores);
}

TEST_CASE("fault 18: threads are pinned only where they fill the cores, alone and within the quota") {
  const auto ledger = std::make_shared<CoreLedger>();
  const std::vector<int> cores{0, 1};
  CHECK(enter(ledger, 2, cores, 2)->pinned() == cores);
  const auto throttled = enter(ledger, 2, cores, 1);
  CHECK(throttled->pinned().empty());
  CHECK(throttled->crowded().load());
  const auto elsewhere = enter(ledger, 1, {7}, no_quota);  // loaded by a thread that may run on other cores
  CHECK(elsewhere->pinned() == std::vector<int>{7});
  CHECK(enter(ledger, 1, {1}, no_quota)->pinned().empty());

  const auto other = std::make_shared<CoreLedger>();
  const auto one = enter(other, 1, cores, no_quota), two = enter(other, 1, cores, no_quota);
  CHECK(one->pinned().empty());
  CHECK(two->pinned().empty());
  CHECK_FALSE(two->crowded().load());  // together they just fill the cores
  CHECK(enter(other, 1, cores, no_quota)->crowded().load());
  CHECK(enter(other, 3, cores, no_quota)->pinned().empty());
}

TEST_CASE("the threads of several replicas fill the cores together, and who is crowded changes as others come and go") {
  const auto ledger = std::make_shared<CoreLedger>();
  const std::vector<int> cores{4, 6, 7};
  auto both = ledger->enter({1, 2}, cores, no_quota);
  CHECK(both[0]->pinned() == std::vector<int>{4});
  CHECK(both[1]->pinned() == std::vector<int>{6, 7});
  CHECK_FALSE(both[0]->crowded().load());
  auto third = enter(ledger, 2, cores, no_quota);
  CHECK(third->pinned().empty());
  for (const auto& each : {both[0], both[1], third}) CHECK(each->crowded().load());
  both.pop_back();
  CHECK_FALSE(both[0]->crowded().load());  // one and two threads: they just fill the cores
  CHECK_FALSE(third->crowded().load());
}

}  // namespace troupe::testing
