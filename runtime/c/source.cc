#include <memory>
#include <string>

#include "runtime/c/boundary.hpp"
#include "runtime/c/handles.hpp"
#include "runtime/c/options.hpp"
#include "runtime/c/sized.hpp"

namespace troupe::c {
namespace {

troupe_source source_defaults() {
  troupe_source made{};
  made.descriptor = -1;
  return made;
}

ModelSource source_of(const troupe_source& from, const std::shared_ptr<Release>& release) {
  if (from.path != nullptr) return std::string(from.path);
  if (from.bytes == nullptr) return FileDescriptor{.number = from.descriptor, .name = std::string(or_empty(from.name))};
  FileInMemory memory{.bytes = {static_cast<const std::byte*>(from.bytes), from.length}, .owner = release};
  if (from.name != nullptr) memory.name = from.name;
  return memory;
}

void check(const troupe_source& from) {
  if (from.reserved != 0) throw unknown_field("troupe_source");
  const int given = (from.path != nullptr ? 1 : 0) + (from.bytes != nullptr ? 1 : 0) + (from.descriptor >= 0 ? 1 : 0);
  if (given == 1) return;
  throw Error(Code::invalid_argument, "troupe_source says " + std::to_string(given) +
                                          " places of a file; it must have one of path, bytes and descriptor");
}

/// Opens a source in one of the ways that a runtime has.
template <class Open>
troupe_status open_source(const troupe_runtime* runtime, const troupe_source* source,
                          const troupe_load_options* options, troupe_checkpoint** checkpoint, troupe_error* error,
                          const Open& open) {
  return guarded(error, [&] {
    auto& out = emptied(checkpoint, "checkpoint");
    const Runtime& house = needed(runtime, "runtime").runtime;
    const troupe_source from = read(&needed(source, "source"), source_defaults(), "troupe_source");
    check(from);
    const auto release = std::make_shared<Release>(from.release, from.user);
    out = new troupe_checkpoint{open(house, source_of(from, release), load_options(options))};
    if (from.bytes != nullptr) release->arm();
  });
}

}  // namespace
}  // namespace troupe::c

using namespace troupe;
using namespace troupe::c;

void troupe_source_default(troupe_source* source, size_t size) { write(source, size, source_defaults()); }

troupe_status troupe_checkpoint_open_source(const troupe_runtime* runtime, const troupe_source* source,
                                            const troupe_load_options* options, troupe_checkpoint** checkpoint,
                                            troupe_error* error) {
  return open_source(runtime, source, options, checkpoint, error,
                     [](const auto& house, const auto& from, const auto& how) { return house.open(from, how); });
}

troupe_status troupe_tokenizer_open(const troupe_runtime* runtime, const troupe_source* source,
                                    const troupe_load_options* options, troupe_checkpoint** checkpoint,
                                    troupe_error* error) {
  return open_source(
      runtime, source, options, checkpoint, error,
      [](const auto& house, const auto& from, const auto& how) { return house.open_tokenizer(from, how); });
}
