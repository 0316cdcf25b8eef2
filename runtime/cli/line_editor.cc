#include "runtime/cli/line_editor.hpp"

#include <histedit.h>
#include <langinfo.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>

#include "troupe/error.hpp"

namespace troupe::cli {
namespace {

constexpr std::size_t longest_line = std::size_t{16} << 20;

/// libedit reads characters as the locale says; everything here is UTF-8.
void want_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

[[noreturn]] void fail_to_read() {
  throw Error(Code::failed, std::string("cannot read standard input: ") + std::strerror(errno));
}

}  // namespace

class LineEditor::Impl {
 public:
  Impl() {
    want_utf8();
    editor_.reset(el_init("troupe", stdin, stdout, stderr));
    history_.reset(history_init());
    if (!editor_ || !history_) throw Error(Code::failed, "the terminal cannot be set up for editing");
    HistEvent event;
    history(history_.get(), &event, H_SETSIZE, 1000);
    el_set(editor_.get(), EL_CLIENTDATA, this);
    el_set(editor_.get(), EL_PROMPT, &Impl::prompt_of);
    el_set(editor_.get(), EL_EDITOR, "emacs");
    el_set(editor_.get(), EL_HIST, history, history_.get());
    el_source(editor_.get(), nullptr);  // what the person wants of all such editors: ~/.editrc
  }

  Input read(const std::string& prompt, std::string& line) {
    prompt_ = prompt;
    line.clear();
    int count = 0;
    const char* typed = el_gets(editor_.get(), &count);
    if (typed == nullptr && count < 0 && errno != EINTR) fail_to_read();
    if (typed == nullptr || count <= 0) return count < 0 ? Input::interrupted : Input::ended;
    line.assign(typed, static_cast<std::size_t>(count));
    HistEvent event;
    if (line.find_first_not_of(" \n") != line.npos) history(history_.get(), &event, H_ENTER, line.c_str());
    if (line.ends_with('\n')) line.pop_back();
    return Input::line;
  }

 private:
  static char* prompt_of(EditLine* editor) {
    Impl* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return self->prompt_.data();
  }

  std::string prompt_;
  std::unique_ptr<EditLine, void (*)(EditLine*)> editor_{nullptr, el_end};
  std::unique_ptr<History, void (*)(History*)> history_{nullptr, history_end};
};

LineEditor::LineEditor() : impl_(std::make_unique<Impl>()) {}
LineEditor::~LineEditor() = default;

Input LineEditor::read(const std::string& prompt, std::string& line) { return impl_->read(prompt, line); }

Input read_plain_line(std::string& line) {
  line.clear();
  int byte = 0;
  while ((byte = std::getc(stdin)) != EOF && byte != '\n') {
    if (line.size() == longest_line) throw Error(Code::invalid_argument, "a line is longer than 16 MiB");
    line += static_cast<char>(byte);
  }
  if (std::ferror(stdin)) fail_to_read();
  return byte == EOF && line.empty() ? Input::ended : Input::line;
}

}  // namespace troupe::cli
