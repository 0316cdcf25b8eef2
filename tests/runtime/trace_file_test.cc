#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "runtime/trace/chrome_reader.hpp"
#include "runtime/trace/chrome_writer.hpp"
#include "runtime/trace/flows.hpp"
#include "runtime/trace/summary.hpp"
#include "tests/runtime/trace_fixture.hpp"
#include "tests/temporary_folder.hpp"
#include "troupe/trace.hpp"

namespace troupe::testing {
namespace {

using namespace trace;
using Catch::Matchers::Contains;

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string written(const std::string& path) {
  Recording recording = uneven_pipeline().recording;
  recording.rows[1].overwritten = 3;
  recording.actors[1].kind = "a \"kind\"\n\xff";
  REQUIRE(write(recording, path).ok());
  return text_of(path);
}

TEST_CASE("a trace is read as it was written, but for the time of its beginning") {
  const TemporaryFolder folder;
  const std::string path = folder.at("t.json");
  Recording before = uneven_pipeline().recording;
  for (Row& row : before.rows) {
    for (Event& event : row.events) event.begin += 777, event.end += 777;
  }
  before.rows[1].overwritten = 3;
  REQUIRE(write(before, path).ok());
  const auto after = trace::read(path);
  INFO((after ? "" : after.error().message()));
  REQUIRE(after.ok());
  REQUIRE(after->rows.size() == before.rows.size());
  CHECK(after->actors[1].name == "r0.s1.t0");
  CHECK(after->actors[1].layers == before.actors[1].layers);
  CHECK(after->rows[1].overwritten == 3);
  before.rows[1].overwritten = 0;
  std::size_t events = 0;
  for (const Row& row : after->rows) events += row.events.size();
  CHECK(events == before.rows[0].events.size() + before.rows[1].events.size());
  CHECK(after->rows[0].events[0].name == std::string("step"));  // what holds others comes first
  CHECK(after->rows[0].events[1].begin == 0);
  CHECK(after->rows[0].events[1].end == 10000);
}

TEST_CASE("what micro-batches pass is in order, from stage to stage") {
  HandWritten hand;
  hand.actor("r0.s0.t0", 0, {0, 1}).step(1, 0, 50).transfer(send_hidden, 40, 50).step(2, 50, 90);
  hand.actor("r0.s1.t0", 1, {1, 2}).step(1, 0, 100).transfer(receive_hidden, 0, 48).op(trace::sample, 90, 95);
  const auto ways = flows(hand.recording);
  REQUIRE(ways.size() == 1);  // of the second step there is one end alone
  REQUIRE(ways[0].size() == 3);
  CHECK(ways[0][0].event->name == std::string(send_hidden));
  CHECK(ways[0][1].event->name == std::string(receive_hidden));
  CHECK(ways[0][2].event->name == std::string(trace::sample));
  CHECK(ways[0][0].time() < ways[0][1].time());
}

TEST_CASE("files that are no whole traces of ours end in one line that says so", "[bad-input]") {
  const TemporaryFolder folder;
  const std::string path = folder.at("t.json"), whole = written(path);
  const auto refused = [&](const std::string& text, const std::string& words) {
    (void)folder.write("t.json", text);
    try {
      (void)trace_summary(path);
      FAIL("it was read: " << text.substr(0, 100));
    } catch (const Error& error) {
      CHECK(error.code() == Code::bad_file);
      CHECK_THAT(error.message(), Contains(words) && Contains(path));
      CHECK(error.message().find('\n') == std::string::npos);
    }
  };
  CHECK_NOTHROW(trace_summary(path));
  for (const char* other : {"", "\n", "no JSON", "{}", "[]", R"({"traceEvents":[]})", "\xff\xfe"}) {
    refused(other, "no trace that troupe has written");
  }
  const std::size_t second = whole.find('\n', 300);
  refused(whole.substr(0, whole.size() - 2), "is cut");
  refused(whole.substr(0, whole.size() - 4), "is cut");
  refused(whole.substr(0, second + 1), "is cut");
  refused(whole.substr(0, second + 20), "is cut");
  const auto with_line = [&](const std::string& line) {
    return whole.substr(0, second + 1) + line + "\n" + whole.substr(second + 1);
  };
  for (
      const char* line :
      {"x", "{", "null", "[1]", "{\"ph\":\"X\"}", R"({"ph":"M","name":"process_name","pid":9,"args":{}})",
       R"({"ph":"X","name":"a","cat":"compute","pid":1,"tid":5,"ts":0.0,"dur":1.0,"args":{"step":1,"epoch":1}},)",
       R"({"ph":"X","name":"a","cat":"compute","pid":1,"tid":1000,"ts":-1.0,"dur":1.0,"args":{"step":1,"epoch":1}},)",
       R"({"ph":"X","name":"a","cat":"compute","pid":1,"tid":1000,"ts":1e300,"dur":1.0,"args":{"step":1,"epoch":1}},)",
       R"({"ph":"X","name":"a","cat":"nothing","pid":1,"tid":1000,"ts":0.0,"dur":1.0,"args":{"step":1,"epoch":1}},)"}) {
    refused(with_line(line), "no event of troupe's");
  }
  refused(with_line(std::string(100000, ' ')), "no event of troupe's");
  refused(with_line("]}"), "tells of no thread");
  try {
    (void)trace_summary(folder.at("none"));
    FAIL();
  } catch (const Error& error) {
    CHECK(error.code() == Code::not_found);
  }
  CHECK(write(Recording(), folder.at("no/t.json")).error().code() == Code::failed);
}

}  // namespace
}  // namespace troupe::testing
