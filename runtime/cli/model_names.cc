#include "runtime/cli/model_names.hpp"

#include <unistd.h>

#include <cstdlib>

#include "troupe/error.hpp"

namespace troupe::cli {
namespace {

struct Known {
  const char *name, *file;
};
constexpr Known known[] = {{"smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"}, {"gemma3", "gemma-3-270m-q4_k_m.gguf"}};

bool is_there(const std::string& file) { return access(file.c_str(), F_OK) == 0; }

}  // namespace

std::string model_file(const std::string& name) {
  for (const Known& one : known) {
    if (name != one.name || is_there(name)) continue;
    const char* const home = std::getenv("HOME");
    const std::string file = std::string(home == nullptr ? "" : home) + "/.cache/troupe/models/" + one.file;
    if (is_there(file)) return file;
    throw Error(Code::not_found, file + " is not there yet; samples/get_model.sh " + name + " gets it");
  }
  return name;
}

}  // namespace troupe::cli
