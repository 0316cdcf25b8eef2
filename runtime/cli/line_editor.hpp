#pragma once

#include <memory>
#include <string>

namespace troupe::cli {

/// What came of reading a line.
enum class Input {
  line,
  interrupted,  ///< ctrl-C
  ended,        ///< ctrl-D, or the end of the input
};

/// Lines that a person types at the terminal of standard input and output, with editing and history, by libedit.
class LineEditor {
 public:
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// `line` is without its end, and empty where none came. Throws Error where the terminal cannot be read.
  Input read(const std::string& prompt, std::string& line);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A line of standard input that is no terminal. Throws Error where it cannot be read, or is longer than 16 MiB.
Input read_plain_line(std::string& line);

}  // namespace troupe::cli
