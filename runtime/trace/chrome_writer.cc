#include "runtime/trace/chrome_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>

#include "runtime/text/utf8.hpp"
#include "runtime/trace/flows.hpp"

namespace troupe::trace {
namespace {

const char* name_of(Kind kind) {
  constexpr const char* names[] = {"step", "compute", "transfer", "wait"};
  return names[static_cast<std::size_t>(kind)];
}

/// In quotation marks; what is no UTF-8 becomes U+FFFD.
std::string json_text(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const Utf8Char c = first_char(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    if (c.kind != Utf8Char::Kind::valid) {
      out += "\xef\xbf\xbd";
    } else if (byte < 0x20) {
      constexpr char digits[] = "0123456789abcdef";
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      if (byte == '"' || byte == '\\') out += '\\';
      out += text.substr(0, c.length);
    }
    text.remove_prefix(std::max<std::size_t>(c.length, 1));
  }
  return out + '"';
}

std::string microseconds(Time nanoseconds) {
  std::string digits = std::to_string(nanoseconds % 1000);
  digits.insert(0, 3 - digits.size(), '0');
  return std::to_string(nanoseconds / 1000) + "." + digits;
}

/// So that what holds others comes before them.
std::vector<Event> by_begin(std::vector<Event> events) {
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    if (a.begin != b.begin) return a.begin < b.begin;
    return a.end != b.end ? a.end > b.end : a.kind < b.kind;
  });
  return events;
}

class Writer {
 public:
  Writer(const Recording& recording, std::FILE* file) : recording_(recording), file_(file) {
    start_ = std::numeric_limits<Time>::max();
    for (const Row& row : recording.rows) {
      for (const Event& event : row.events) start_ = std::min(start_, event.begin);
      overwritten_ += row.overwritten;
    }
  }

  void write() {
    text_ = file_start + std::string(",\"overwritten\":") + std::to_string(overwritten_) + "},\"traceEvents\":[\n";
    for (std::size_t actor = 0; actor < recording_.actors.size(); ++actor) write_actor(actor);
    for (const Row& row : recording_.rows) write_thread(row);
    for (const Row& row : recording_.rows) {
      for (const Event& event : by_begin(row.events)) write_event(row, event);
    }
    std::size_t id = 0;
    for (const auto& points : flows(recording_)) write_flow(++id, points);
    text_ += first_ ? "" : "\n";
    text_ += file_end;
    text_ += '\n';
    flush();
  }

 private:
  static std::string pid(std::size_t actor) { return ",\"pid\":" + std::to_string(actor + 1); }
  /// Numbers of threads are unique in the file, which viewers count on.
  static std::string ids(const Row& row) {
    return pid(row.actor) + ",\"tid\":" + std::to_string((row.actor + 1) * 1000 + row.thread);
  }

  void line(const std::string& event) {
    if (!std::exchange(first_, false)) text_ += ",\n";
    text_ += event;
    constexpr std::size_t much = 1 << 16;
    if (text_.size() > much) flush();
  }

  /// What cannot be written is seen by who closes the file.
  void flush() {
    (void)std::fwrite(text_.data(), 1, text_.size(), file_);
    text_.clear();
  }

  void write_actor(std::size_t number) {
    const Actor& actor = recording_.actors[number];
    const auto field = [](const char* name, std::uint64_t value) {
      return std::string(",\"") + name + "\":" + std::to_string(value);
    };
    line(R"({"ph":"M","name":"process_name")" + pid(number) + ",\"args\":{\"name\":" + json_text(actor.name) +
         ",\"kind\":" + json_text(actor.kind) + field("epoch", actor.epoch) + field("stage", actor.stage) +
         field("rank", actor.rank) + field("tp", actor.tp) + field("others", actor.others) +
         field("first_layer", actor.layers.first) + field("last_layer", actor.layers.last) +
         field("leaves", actor.leaves) + "}}");
    line(R"({"ph":"M","name":"process_sort_index")" + pid(number) + R"(,"args":{"sort_index":)" +
         std::to_string(number) + "}}");
  }

  void write_thread(const Row& row) {
    const std::string name = row.thread == 0 ? "step" : "team " + std::to_string(row.thread);
    line(R"({"ph":"M","name":"thread_name")" + ids(row) + ",\"args\":{\"name\":\"" + name +
         "\",\"thread\":" + std::to_string(row.thread) + ",\"overwritten\":" + std::to_string(row.overwritten) + "}}");
  }

  void write_event(const Row& row, const Event& event) {
    std::string text =
        R"({"ph":"X","name":")" + std::string(event.name) + "\",\"cat\":\"" + name_of(event.kind) + '"' + ids(row) +
        ",\"ts\":" + microseconds(event.begin - start_) + ",\"dur\":" + microseconds(event.end - event.begin) +
        ",\"args\":{\"step\":" + std::to_string(event.step) + ",\"epoch\":" + std::to_string(event.epoch);
    if (event.layer != no_layer) text += ",\"layer\":" + std::to_string(event.layer);
    if (event.kind == Kind::step) {
      text += ",\"rows\":" + std::to_string(event.rows) + ",\"sequences\":" + std::to_string(event.sequences);
    }
    line(text + "}}");
  }

  void write_flow(std::size_t id, const std::vector<FlowPoint>& points) {
    for (const FlowPoint& point : points) {
      const bool begins = &point == &points.front(), ends = &point == &points.back();
      line(std::string("{\"ph\":\"") +
           (begins ? "s"
            : ends ? "f\",\"bp\":\"e"
                   : "t") +
           R"(","name":"micro-batch","cat":"flow","id":)" + std::to_string(id) + ids(recording_.rows[point.row]) +
           ",\"ts\":" + microseconds(point.time() - start_) + "}");
    }
  }

  const Recording& recording_;
  std::FILE* file_;
  Time start_;
  std::uint64_t overwritten_ = 0;
  std::string text_;
  bool first_ = true;
};

}  // namespace

Result<void> write(const Recording& recording, const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  bool written = file != nullptr;
  if (file != nullptr) {
    Writer(recording, file).write();
    written = std::ferror(file) == 0;
    written = std::fclose(file) == 0 && written;
  }
  if (written) return {};
  return Error(Code::failed, "cannot write the trace to " + path + ": " + std::strerror(errno));
}

}  // namespace troupe::trace
