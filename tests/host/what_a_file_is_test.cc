// Files that people try, and that are no model that runs here: each is told what it is and what to do.
#include "tests/host/house.hpp"

namespace troupe::testing {
namespace {

using Catch::Matchers::Contains;

constexpr std::uint32_t f32 = 0, bf16 = 30;

Error refusal(const std::string& bytes) {
  const Runtime runtime;
  const MemoryFile file(bytes);
  return error_of([&] { (void)runtime.open(file.path()); });
}

void check_refused(const std::string& bytes, Code code, const std::string& what, const std::string& advice) {
  CAPTURE(what);
  const Error error = refusal(bytes);
  CHECK(error.code() == code);
  CHECK_THAT(error.message(), Contains("/proc/self/fd/") && Contains(what) && Contains(advice));
}

/// A file with a tensor that this build cannot read, as such files have.
std::string with_tensor(GgufWriter writer) { return writer.tensor("t", {4, 4, 3, 3}, bf16, 0).file(512); }

}  // namespace

TEST_CASE("fault 19: a GGUF file that is no whole model says what it is", "[bad-input]") {
  const auto check = [](const GgufWriter& writer, const char* what, const char* advice) {
    check_refused(with_tensor(writer), Code::unsupported, what, advice);
    check_refused(writer.file(), Code::unsupported, what, advice);
  };
  const auto of = [](const char* architecture) { return GgufWriter().string("general.architecture", architecture); };
  check(of("llama").string("general.type", "adapter").string("adapter.type", "lora"),
        "is a LoRA adapter for a \"llama\" model, no whole model", "--lora, LoadOptions::adapters");
  check(GgufWriter().string("adapter.type", "lora"), "is a LoRA adapter, no whole model", "open that model");
  check(of("llama").string("general.type", "adapter"), "is an adapter for a \"llama\" model", "merge it into");
  check(of("clip").string("general.type", "mmproj"), "is a projector", "open the model that it belongs to");
  check(of("clip").boolean("clip.has_vision_encoder", true), "is a projector", "open the model that it belongs to");
  check(of("controlvector").string("controlvector.model_hint", "llama"), "is a control vector", "open the model");
  check(GgufWriter().string("general.type", "imatrix").strings("imatrix.datasets", {"wiki"}), "is an importance matrix",
        "open the model");
}

TEST_CASE("fault 19: a vocabulary, and a model without tensors, are named", "[bad-input]") {
  check_refused(tiny_bpe().bpe().string("general.architecture", "bert").file(), Code::unsupported,
                "is a vocabulary without weights", "open the model");
  check_refused(GgufWriter().string("general.architecture", "llama").file(), Code::bad_file, "has no tensors",
                "is it whole?");
}

TEST_CASE("fault 19: an architecture that is not known is named, with the known ones", "[bad-input]") {
  for (const char* name : {"bert", "nomic-bert", "t5encoder", "mamba", "flux"}) {
    GgufWriter writer;
    writer.string("general.architecture", name).tensor("w", {1}, f32, 0);
    check_refused(writer.file(4), Code::unsupported, "architecture \"" + std::string(name) + "\" is not supported",
                  "known are llama, ");
  }
}

TEST_CASE("fault 19: a model that is cut short is asked whether it is whole", "[bad-input]") {
  const std::string whole = TinyModel{}.file();
  check_refused(whole.substr(0, whole.size() / 2), Code::bad_file, "within the", "cut short");
}

TEST_CASE("fault 19: files of other formats are recognised by their first bytes", "[bad-input]") {
  using namespace std::string_literals;
  const std::string convert = "convert_hf_to_gguf.py", again = "download";
  const std::string rest(64, 'x');
  const auto model = [&](const std::string& bytes, const char* what, const std::string& advice) {
    check_refused(bytes + rest, Code::unsupported, what, advice);
    CHECK_THAT(refusal(bytes + rest).message(), Contains("GGUF"));
  };
  model("\x40\0\0\0\0\0\0\0{\"__metadata__\":{}"s, "is a safetensors file", convert);
  model("PK\3\4"s, "is a zip archive, as PyTorch", convert);
  model("\x80\2}q\0"s, "is a Python pickle, as PyTorch", convert);
  model("\x80\4\x95"s, "is a Python pickle, as PyTorch", convert);
  model("lmgg\1\0\0\0"s, "GGML file", convert);
  model("fmgg\1\0\0\0"s, "GGMF file", convert);
  model("tjgg\3\0\0\0"s, "GGJT file", convert);
  model("algg\1\0\0\0"s, "GGLA", "");
  model("\x08\x07\x12\x07pytorch"s, "is an ONNX file", convert);
  model("\x1c\0\0\0TFL3"s, "is a TensorFlow Lite file", "");
  model("\x89HDF\r\n\x1a\n"s, "is an HDF5 file", "");
  model("\x93NUMPY\1\0"s, "is a NumPy array", "");
  model("\x1f\x8b\x08\0"s, "is a gzip archive", "unpack");
  model("\x28\xb5\x2f\xfd"s, "is a zstd archive", "unpack");
  model(
      "\xfd"
      "7zXZ\0"s,
      "is an xz archive", "unpack");
  model("BZh91AY"s, "is a bzip2 archive", "unpack");
  model("7z\xbc\xaf\x27\x1c"s, "is a 7z archive", "unpack");
  model(
      "\x7f"
      "ELF"s,
      "is a program", "");
  model("MZqFpD"s, "is a program", "");
  model("\n\x0e\n\5<unk>"s, "is a SentencePiece tokenizer", "");
}

TEST_CASE("fault 19: what a download left in place of a model is recognised", "[bad-input]") {
  using namespace std::string_literals;
  const auto text = [](const std::string& bytes, const char* what, const char* advice) {
    check_refused(bytes, Code::bad_file, what, advice);
  };
  text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4661\n", "is a Git LFS pointer",
       "git lfs pull");
  text("<!DOCTYPE html><html>", "is a web page", "download");
  text("\xEF\xBB\xBF \r\n <!doctype HTML>", "is a web page", "download");
  text("\n<HTML lang=\"en\">", "is a web page", "download");
  text("<?xml version=\"1.0\"?><Error>", "is XML", "download");
  text("{\"error\":\"Repository not found\"}", "is JSON text", "model");
  text("[{\"a\": 1}]", "is JSON text", "model");
  text("Entry not found", "begins with \"Entry not found\"", "known formats are GGUF");
  text("GG", "begins with \"GG\"", "known formats are GGUF");
  text(std::string(4096, '\0'), "begins with zeros", "download");
  text("\xff\xfe\x00\x1b[2J\n"s, "begins with \"\\xff\\xfe", "known formats are GGUF");
}

}  // namespace troupe::testing
