"""Streams text from a model, with ctypes alone. Usage: stream.py MODEL.gguf [PROMPT]

It loads libtroupe.so.0.1 from where the linker finds libraries, or what TROUPE_LIBRARY names.
"""

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_float, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

OK, END = 0, -1


# What troupe.h says of these structs; each begins with its size, which its default maker sets.
class Error(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("status", c_int32), ("message", c_char * 1012)]


class GenerateOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("stop", POINTER(c_char_p)),
        ("stop_count", c_size_t),
        ("cache_salt", c_char_p),
        ("cache_salt_length", c_size_t),
        ("user", c_char_p),
        ("user_length", c_size_t),
        ("deadline_ms", c_int64),
        ("seed", c_uint64),
        ("temperature", c_float),
        ("top_p", c_float),
        ("top_k", c_uint32),
        ("max_tokens", c_uint32),
    ]  # and more, which take their defaults: a shorter struct is one of an older version


class Token(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("text", c_char_p), ("length", c_size_t)]


try:
    troupe = ctypes.CDLL(os.environ.get("TROUPE_LIBRARY", "libtroupe.so.0.1"))
except OSError as error:
    sys.exit(f"stream.py: {error}; after installing run ldconfig, or say TROUPE_LIBRARY=/path/to/libtroupe.so")
for name in ("troupe_runtime_free", "troupe_model_free", "troupe_request_free"):
    getattr(troupe, name).argtypes = [c_void_p]


def made(kind, defaults):
    """A struct that its default maker has filled."""
    struct = kind()
    getattr(troupe, defaults)(byref(struct), c_size_t(ctypes.sizeof(struct)))
    return struct


def call(name, *arguments):
    """Calls a function that returns a status; raises the line that a failure leaves."""
    error = made(Error, "troupe_error_default")
    status = getattr(troupe, name)(*arguments, byref(error))
    if status > OK:
        raise RuntimeError(error.message.decode())
    return status


def tokens(request):
    """The texts of a stream, as they come."""
    token = made(Token, "troupe_token_default")
    while call("troupe_request_next", request, c_int64(-1), byref(token)) != END:
        yield token.text.decode()


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: stream.py MODEL.gguf [PROMPT]")
    prompt = (sys.argv[2] if len(sys.argv) > 2 else "The capital of France is").encode()
    runtime, model, request = c_void_p(), c_void_p(), c_void_p()
    try:
        call("troupe_runtime_new", None, byref(runtime))
        call("troupe_model_load", runtime, sys.argv[1].encode(), None, byref(model))
        options = made(GenerateOptions, "troupe_generate_options_default")
        options.max_tokens = 32
        call("troupe_model_generate", model, prompt, c_size_t(len(prompt)), byref(options), None, byref(request))
        for text in tokens(request):
            print(text, end="", flush=True)
        print()
    except RuntimeError as error:
        sys.exit(f"stream.py: {error}")
    finally:
        troupe.troupe_request_free(request)
        troupe.troupe_model_free(model)
        troupe.troupe_runtime_free(runtime)


if __name__ == "__main__":
    main()
