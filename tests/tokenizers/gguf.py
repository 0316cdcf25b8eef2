"""Writes files of metadata alone."""

import struct

INT32, STRING, ARRAY = 5, 8, 9


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


class Gguf:
    def __init__(self):
        self.entries = []

    def string(self, key, value):
        self.entries.append(text(key) + struct.pack("<I", STRING) + text(value))

    def strings(self, key, values):
        head = text(key) + struct.pack("<IIQ", ARRAY, STRING, len(values))
        self.entries.append(head + b"".join(text(value) for value in values))

    def integers(self, key, values):
        self.entries.append(text(key) + struct.pack(f"<IIQ{len(values)}i", ARRAY, INT32, len(values), *values))

    def save(self, path):
        with open(path, "wb") as file:
            file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(self.entries)) + b"".join(self.entries))
