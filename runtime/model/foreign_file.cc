#include <algorithm>
#include <string_view>

#include "runtime/model/file_kind.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

using namespace std::string_view_literals;

constexpr const char* convert = "convert the model that it is from with llama.cpp's convert_hf_to_gguf.py";
constexpr const char* older = "an old format; convert the original model anew with llama.cpp's convert_hf_to_gguf.py";
constexpr const char* unpack = "unpack it first";
constexpr const char* other = "another kind of file is needed";
constexpr const char* reload =
    "the download got this in place of the model; is its address right, and may you have it?";

/// What stands at a place in files of a kind.
struct Mark {
  std::size_t at;
  std::string_view bytes;
  Code code;
  const char* what;
  const char* advice;
};

constexpr Mark marks[] = {
    {8, "{\"", Code::unsupported, "a safetensors file", convert},
    {0, "PK\3\4"sv, Code::unsupported, "a zip archive, as PyTorch writes its checkpoints", convert},
    {0, "\x80\2"sv, Code::unsupported, "a Python pickle, as PyTorch writes its checkpoints", convert},
    {0, "\x80\3"sv, Code::unsupported, "a Python pickle, as PyTorch writes its checkpoints", convert},
    {0, "\x80\4"sv, Code::unsupported, "a Python pickle, as PyTorch writes its checkpoints", convert},
    {0, "\x80\5"sv, Code::unsupported, "a Python pickle, as PyTorch writes its checkpoints", convert},
    {0, "lmgg", Code::unsupported, "a GGML file", older},
    {0, "fmgg", Code::unsupported, "a GGMF file", older},
    {0, "tjgg", Code::unsupported, "a GGJT file", older},
    {0, "algg", Code::unsupported, "a LoRA adapter in the old GGLA format", other},
    {0, "nsgg", Code::unsupported, "a saved session of llama.cpp", other},
    {0, "qsgg", Code::unsupported, "a saved sequence of llama.cpp", other},
    {8, "blk.", Code::unsupported, "an importance matrix in its old format", other},
    {4, "TFL3", Code::unsupported, "a TensorFlow Lite file", other},
    {0, "\x89HDF"sv, Code::unsupported, "an HDF5 file, as Keras writes", other},
    {0, "\x93NUMPY"sv, Code::unsupported, "a NumPy array", other},
    {3, "\5<unk>", Code::unsupported, "a SentencePiece tokenizer", other},
    {0, "\x1f\x8b"sv, Code::unsupported, "a gzip archive", unpack},
    {0, "\x28\xb5\x2f\xfd"sv, Code::unsupported, "a zstd archive", unpack},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     Code::unsupported, "an xz archive", unpack},
    {0, "BZh", Code::unsupported, "a bzip2 archive", unpack},
    {0, "7z\xbc\xaf\x27\x1c"sv, Code::unsupported, "a 7z archive", unpack},
    {0, "Rar!", Code::unsupported, "a RAR archive", unpack},
    {257, "ustar", Code::unsupported, "a tar archive", unpack},
    {0,
     "\x7f"
     "ELF"sv,
     Code::unsupported, "a program", other},
    {0, "MZ", Code::unsupported, "a program (a llamafile has its model inside, as a zip archive)", other},
    {0, "version https://git-lfs", Code::bad_file, "a Git LFS pointer, in place of the file",
     "run git lfs pull, or download the file itself"},
};

/// Text formats: what their text begins with, without the space before it, in small letters.
constexpr Mark texts[] = {
    {0, "<!doctype html", Code::bad_file, "a web page", reload},
    {0, "<html", Code::bad_file, "a web page", reload},
    {0, "<?xml", Code::bad_file, "XML", reload},
    {0, "{", Code::bad_file, "JSON text", "a configuration or an index is no model, nor is a server's error"},
    {0, "[", Code::bad_file, "JSON text", "a configuration or an index is no model, nor is a server's error"},
};

/// ONNX and other protocol buffers have no mark: an ONNX file begins with its version, a small number, and then the
/// name of who wrote it, or the graph.
bool is_onnx(std::string_view head) {
  return head.size() > 4 && head[0] == 8 && head[1] > 0 && head[1] < 16 && (head[2] == 0x12 || head[2] == 0x3A);
}

std::string beginning_of_text(std::string_view head) {
  if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
  const std::size_t first = head.find_first_not_of(" \t\r\n");
  std::string text(head.substr(std::min(first, head.size())));
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

template <std::size_t n>
const Mark* find(const Mark (&list)[n], std::string_view head) {
  const auto at = std::find_if(std::begin(list), std::end(list), [&](const Mark& mark) {
    return head.size() >= mark.at && head.substr(mark.at).starts_with(mark.bytes);
  });
  return at == std::end(list) ? nullptr : &*at;
}

}  // namespace

Error of_no_format(const FileBytes& file, const std::string& known) {
  constexpr std::size_t looked_at = 512, shown = 24;
  const auto bytes = file.bytes().first(std::min(looked_at, file.bytes().size()));
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string start = quoted(file.path()) + ": ", end = "; known formats are " + known;
  constexpr Mark onnx{0, "", Code::unsupported, "an ONNX file", convert};
  const Mark* mark = is_onnx(head) ? &onnx : find(marks, head);
  if (mark == nullptr) mark = find(texts, beginning_of_text(head));
  if (mark != nullptr) {
    return {mark->code, start + "is " + mark->what + ", no model file; " + mark->advice + end};
  }
  if (head.empty()) return {Code::bad_file, start + "is no model file: it is empty" + end};
  if (head.find_first_not_of('\0') == std::string_view::npos) {
    return {Code::bad_file, start + "is no model file: it begins with zeros; is its download complete?" + end};
  }
  return {Code::bad_file, start + "is no model file: it begins with " + quoted(head.substr(0, shown)) + end};
}

}  // namespace troupe
