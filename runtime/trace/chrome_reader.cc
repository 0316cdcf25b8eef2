#include "runtime/trace/chrome_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "runtime/text/template/json.hpp"
#include "runtime/trace/chrome_writer.hpp"

namespace troupe::trace {
namespace {

constexpr std::size_t longest_line = 1 << 14, most_actors = 1024, most_rows = 1 << 14, most_names = 1 << 12;
constexpr std::uint32_t most_layers = 1 << 16;

/// Fields of one line's object, and of its "args". A number that is none, negative or beyond `most` is none.
class Fields {
 public:
  explicit Fields(const jinja::Value& value) : dict_(jinja::as<jinja::Dict>(value)) {}

  [[nodiscard]] bool there() const { return dict_ != nullptr; }
  [[nodiscard]] Fields args() const {
    const jinja::Value* found = dict_->find("args");
    return Fields(found == nullptr ? jinja::Value() : *found);
  }
  [[nodiscard]] std::optional<std::string> text(const char* name) const {
    const jinja::Value* found = dict_->find(name);
    const jinja::Text* text = found == nullptr ? nullptr : jinja::as<jinja::Text>(*found);
    return text == nullptr ? std::nullopt : std::optional(text->bytes());
  }
  [[nodiscard]] std::optional<std::uint64_t> whole(const char* name, std::uint64_t most) const {
    const jinja::Value* found = dict_->find(name);
    const auto* number = found == nullptr ? nullptr : std::get_if<std::int64_t>(found);
    const bool fits = number != nullptr && *number >= 0 && static_cast<std::uint64_t>(*number) <= most;
    return fits ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
  }
  /// Microseconds, as nanoseconds; at most a year.
  [[nodiscard]] std::optional<Time> time(const char* name) const {
    constexpr double year = 3.2e13;
    const jinja::Value* found = dict_->find(name);
    const auto* number = found == nullptr ? nullptr : std::get_if<double>(found);
    if (number == nullptr || !(*number >= 0 && *number <= year)) return {};
    return std::llround(*number * 1000);
  }

 private:
  const jinja::Dict* dict_;
};

class Reader {
 public:
  /// An event, without the comma behind it. False where it is none that was written.
  [[nodiscard]] bool take(std::string_view line) {
    const auto value = jinja::parse_json(line);
    if (!value) return false;
    const Fields event(*value);
    if (!event.there()) return false;
    const auto phase = event.text("ph"), name = event.text("name");
    if (!phase || !name) return false;
    if (*phase == "s" || *phase == "t" || *phase == "f") return true;
    if (!event.args().there()) return false;
    if (*phase == "X") return take_event(event, *name);
    if (*phase != "M") return false;
    return *name == "process_name" ? take_actor(event) : *name == "thread_name" ? take_row(event) : true;
  }

  [[nodiscard]] std::size_t events() const { return events_; }
  [[nodiscard]] Recording recording() && { return std::move(recording_); }

 private:
  static constexpr auto any_32 = UINT32_MAX;

  [[nodiscard]] bool take_actor(const Fields& event) {
    const Fields args = event.args();
    const auto pid = event.whole("pid", most_actors), epoch = args.whole("epoch", INT64_MAX);
    const auto stage = args.whole("stage", most_actors), rank = args.whole("rank", most_actors);
    const auto tp = args.whole("tp", most_actors), others = args.whole("others", most_actors);
    const auto first = args.whole("first_layer", most_layers), last = args.whole("last_layer", most_layers);
    const auto leaves = args.whole("leaves", most_layers);
    const auto name = args.text("name"), kind = args.text("kind");
    const bool whole = pid && epoch && stage && rank && tp && others && first && last && leaves && name && kind;
    if (!whole || *pid != recording_.actors.size() + 1 || *last < *first) return false;
    const auto small = [](const auto& number) { return static_cast<std::uint32_t>(*number); };
    recording_.actors.push_back({*name,
                                 *kind,
                                 *epoch,
                                 small(stage),
                                 small(rank),
                                 small(tp),
                                 small(others),
                                 {small(first), small(last)},
                                 small(leaves)});
    return true;
  }

  [[nodiscard]] bool take_row(const Fields& event) {
    const auto pid = event.whole("pid", recording_.actors.size()), tid = event.whole("tid", INT64_MAX);
    const auto thread = event.args().whole("thread", any_32), gone = event.args().whole("overwritten", INT64_MAX);
    if (!pid || *pid == 0 || !tid || !thread || !gone || recording_.rows.size() == most_rows) return false;
    if (!rows_.emplace(*tid, recording_.rows.size()).second) return false;
    recording_.rows.push_back({*pid - 1, static_cast<std::uint32_t>(*thread), *gone, {}});
    return true;
  }

  [[nodiscard]] bool take_event(const Fields& event, const std::string& name) {
    const Fields args = event.args();
    const auto tid = event.whole("tid", INT64_MAX), step = args.whole("step", INT64_MAX);
    const auto epoch = args.whole("epoch", any_32);
    const auto begin = event.time("ts"), taken = event.time("dur");
    const auto row = tid ? rows_.find(*tid) : rows_.end();
    const auto kind = kind_of(event.text("cat").value_or(""));
    if (row == rows_.end() || !step || !epoch || !begin || !taken || !kind) return false;
    if (names_.size() == most_names && !names_.contains(name)) return false;
    const auto number = [&](const char* field, std::uint32_t most, std::uint32_t none) {
      return static_cast<std::uint32_t>(args.whole(field, most).value_or(none));
    };
    recording_.rows[row->second].events.push_back({.name = names_.insert(name).first->c_str(),
                                                   .kind = *kind,
                                                   .begin = *begin,
                                                   .end = *begin + *taken,
                                                   .layer = number("layer", most_layers, no_layer),
                                                   .step = *step,
                                                   .epoch = static_cast<std::uint32_t>(*epoch),
                                                   .rows = number("rows", any_32, 0),
                                                   .sequences = number("sequences", any_32, 0)});
    ++events_;
    return true;
  }

  static std::optional<Kind> kind_of(std::string_view name) {
    if (name == "step") return Kind::step;
    if (name == "compute") return Kind::compute;
    if (name == "transfer") return Kind::transfer;
    return name == "wait" ? std::optional(Kind::wait) : std::nullopt;
  }

  Recording recording_{.names = std::make_shared<std::set<std::string>>()};
  std::set<std::string>& names_ = *recording_.names;
  std::map<std::uint64_t, std::size_t> rows_;  ///< by tid
  std::size_t events_ = 0;
};

/// Lines of a file, of which no more than one is in memory.
class Lines {
 public:
  explicit Lines(std::FILE* file) : file_(file) {}

  /// False at the end of the file, whose last line must have an end. Of one that is too long the beginning counts.
  [[nodiscard]] bool next() {
    if (std::fgets(line_, sizeof line_, file_) == nullptr) return false;
    ++number_;
    text_ = line_;  // up to a zero byte, which no line of JSON has
    if (!text_.ends_with('\n')) return std::feof(file_) == 0;
    text_.remove_suffix(1);
    return true;
  }
  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] std::size_t number() const { return number_; }

 private:
  std::FILE* file_;
  char line_[longest_line];
  std::string_view text_;
  std::size_t number_ = 0;
};

}  // namespace

Result<Recording> read(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) return Error(Code::not_found, "cannot read " + path + ": " + std::strerror(errno));
  const auto bad = [&path](const std::string& why) { return Error(Code::bad_file, path + why); };
  Lines lines(file.get());
  if (!lines.next() || !lines.text().starts_with(file_start)) {
    if (std::ferror(file.get()) != 0)
      return Error(Code::not_found, "cannot read " + path + ": " + std::strerror(errno));
    return bad(" is no trace that troupe has written: troupe run --trace FILE writes one");
  }
  Reader reader;
  while (lines.next()) {
    std::string_view line = lines.text();
    if (line == file_end) return std::move(reader).recording();
    if (line.ends_with(',')) line.remove_suffix(1);
    if (!reader.take(line)) return bad(", line " + std::to_string(lines.number()) + ": no event of troupe's");
    if (reader.events() > most_events) {
      return bad(" has more than " + std::to_string(most_events) + " events; trace less, or fewer threads");
    }
  }
  return bad(" is cut: its last line is missing");
}

}  // namespace troupe::trace
