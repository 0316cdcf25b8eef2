#include "runtime/device/device.hpp"

#include "runtime/text/joined.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {

Result<std::shared_ptr<const Device>> open_device(std::span<const DeviceKind* const> kinds, std::string_view name,
                                                  const DeviceOptions& options) {
  const std::size_t colon = name.find(':');
  const std::string_view argument = colon == std::string_view::npos ? std::string_view() : name.substr(colon + 1);
  for (const DeviceKind* kind : kinds) {
    if (kind->name == name.substr(0, colon)) return kind->open(argument, options);
  }
  return Error(Code::invalid_argument, "device " + quoted(name) + " is unknown; there are " + device_names(kinds));
}

std::string device_names(std::span<const DeviceKind* const> kinds) {
  std::vector<std::string> all;
  for (const DeviceKind* kind : kinds) {
    for (std::string& name : kind->names()) all.push_back(std::move(name));
  }
  return joined(all);
}

}  // namespace troupe
