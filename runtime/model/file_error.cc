#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/model/file_bytes.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe {
namespace {

struct Reason {
  int number;
  Code code;
  const char* words;
};

constexpr Reason reasons[] = {
    {ENOENT, Code::not_found, "there is no such file; is the path right?"},
    {ENOTDIR, Code::not_found, "a part of the path is no folder; is the path right?"},
    {ELOOP, Code::not_found, "the path leads into a loop of links; it must lead to a file"},
    {ENAMETOOLONG, Code::invalid_argument, "the path, or a name in it, is too long for the file system; is it right?"},
    {EACCES, Code::failed, "may not be read by this user; its rights, and those of its folders, must allow it"},
    {EPERM, Code::failed, "may not be read by this process; its rights must allow it"},
    {ENXIO, Code::bad_file, "is a socket, or a device that is not there; expected a model file"},
    {EMFILE, Code::failed, "this process has as many files open as it may; close some, or raise the limit (ulimit -n)"},
    {ENFILE, Code::failed, "this machine has as many files open as it may; close some"},
    {ENOMEM, Code::out_of_memory, "there is no memory, or no address space, left to hold it"},
    {EIO, Code::failed, "its disk or network failed while it was read; is it still there?"},
    {ESTALE, Code::failed, "is gone from its file server; open it anew"},
    {EAGAIN, Code::failed, "is locked by another process; try again when it is free"},
    {ENODEV, Code::failed, "cannot be mapped on this file system; it can be copied instead"},
};

}  // namespace

Error file_error(const std::string& path, int reason) {
  char target = '\0';
  if (reason == ENOENT && ::readlink(path.c_str(), &target, 1) >= 0) {
    return {Code::not_found, quoted(path) + ": is a link to a file that is not there; is it the right one?"};
  }
  for (const Reason& known : reasons) {
    if (known.number == reason) return {known.code, quoted(path) + ": " + known.words};
  }
  return {Code::failed, quoted(path) + ": cannot be read: " + std::generic_category().message(reason)};
}

}  // namespace troupe
