"""A file's tokenizer in libtroupe, by the C API."""

import ctypes
import os
from ctypes import POINTER, byref, c_char, c_char_p, c_int32, c_size_t, c_void_p


class Error(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("status", c_int32), ("message", c_char * 1012)]


class Source(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("path", c_char_p)]  # and more, which take their defaults


def load():
    library = ctypes.CDLL(os.path.join(os.environ["TROUPE_BUILD"], "lib", "libtroupe.so"))
    for name in ("troupe_runtime_free", "troupe_checkpoint_free", "troupe_free"):
        getattr(library, name).argtypes = [c_void_p]
    return library


class Tokenizer:
    """Of the file at a path, which may have no model in it."""

    library = None

    def __init__(self, path):
        Tokenizer.library = Tokenizer.library or load()
        self.runtime, self.checkpoint = c_void_p(), c_void_p()
        self.call("troupe_runtime_new", None, byref(self.runtime))
        source = self.made(Source, "troupe_source_default")
        source.path = path.encode()
        self.call("troupe_tokenizer_open", self.runtime, byref(source), None, byref(self.checkpoint))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.troupe_checkpoint_free(self.checkpoint)
        self.library.troupe_runtime_free(self.runtime)

    def made(self, kind, defaults):
        struct = kind()
        getattr(self.library, defaults)(byref(struct), c_size_t(ctypes.sizeof(struct)))
        return struct

    def call(self, name, *arguments):
        error = self.made(Error, "troupe_error_default")
        if getattr(self.library, name)(*arguments, byref(error)) > 0:
            raise RuntimeError(error.message.decode())

    def encode(self, text, parse_special=False):
        """Ids of bytes, without BOS."""
        ids, count = POINTER(c_int32)(), c_size_t()
        self.call(
            "troupe_checkpoint_tokenize",
            self.checkpoint,
            text,
            c_size_t(len(text)),
            c_int32(parse_special),
            byref(ids),
            byref(count),
        )
        found = ids[: count.value]
        self.library.troupe_free(ids)
        return found

    def decode(self, ids):
        """The bytes of ids."""
        text, length = c_void_p(), c_size_t()
        self.call(
            "troupe_checkpoint_detokenize",
            self.checkpoint,
            (c_int32 * len(ids))(*ids),
            c_size_t(len(ids)),
            byref(text),
            byref(length),
        )
        found = ctypes.string_at(text, length.value)
        self.library.troupe_free(text)
        return found
