#include "plugins/builtin.hpp"

#include "plugins/formats/gguf.hpp"
#include "plugins/tokenizers/bpe.hpp"
#include "plugins/tokenizers/spm.hpp"
#include "runtime/device/cpu/cpu_device.hpp"
#include "transport/memory/memory.hpp"

namespace troupe::plugins {

#define TROUPE_ADDRESS(name) &name,

Registry builtin() {
  return {
      .formats = {&gguf},
      .architectures = {TROUPE_ARCHITECTURES(TROUPE_ADDRESS)},
      .tokenizers = {&bpe, &gemma4_bpe, &spm},
      .devices = {&cpu_kind},
      .transports = {&transport::memory},
  };
}

}  // namespace troupe::plugins
