#include "plugins/builtin.hpp"

#include "plugins/architectures/gemma3.hpp"
#include "plugins/architectures/llama.hpp"
#include "plugins/formats/gguf.hpp"
#include "plugins/tokenizers/bpe.hpp"
#include "plugins/tokenizers/spm.hpp"
#include "runtime/device/cpu/cpu_device.hpp"
#include "transport/memory/memory.hpp"

namespace troupe::plugins {

Registry builtin() {
  return {
      .formats = {&gguf},
      .architectures = {&llama, &gemma3},
      .tokenizers = {&bpe, &gemma4_bpe, &spm},
      .devices = {&cpu_kind},
      .transports = {&transport::memory},
  };
}

}  // namespace troupe::plugins
