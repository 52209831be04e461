# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hyperscan or Vectorscan (libhs) through ctypes: thousands of patterns in one pass, at gigabytes a second."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

from ...errors import PatternRefusedError
from .plan import RUN

CASELESS = 1
DOTALL = 2
MULTILINE = 4
# Of blocks in one or more pieces. Without the searcher for short texts, which takes most of the time to compile words.
_MODE_VECTORED = 4
_SUCCESS = 0

_ON_MATCH = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_uint, ctypes.c_ulonglong, ctypes.c_ulonglong, ctypes.c_uint, ctypes.c_void_p
)


class Pattern(NamedTuple):
    """A pattern to search for, and the number under which its hits are reported."""

    expression: bytes
    flags: int
    number: int


class _CompileErrorStruct(ctypes.Structure):
    _fields_ = [("message", ctypes.c_char_p), ("expression", ctypes.c_int)]


def load() -> ctypes.CDLL | None:
    """The library, or None where it is not installed or does not run on this processor."""
    # find_library() starts ldconfig and gcc; the name is the same on every distribution.
    try:
        library = ctypes.CDLL("libhs.so.5")
    except OSError:
        return None
    library.hs_version.restype = ctypes.c_char_p
    pointer, number = ctypes.c_void_p, ctypes.c_uint
    library.hs_scan_vector.argtypes = [*[pointer] * 3, number, number, pointer, _ON_MATCH, pointer]
    try:
        if library.hs_valid_platform() != _SUCCESS:
            return None
    except AttributeError:
        return None
    return library


class Database:
    """A compiled set of patterns."""

    def __init__(self, library: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
        self._library = library
        self.handle = handle

    @classmethod
    def compile(cls, library: ctypes.CDLL, patterns: Sequence[Pattern], literal: bool = False) -> Database:
        """Compile patterns (or, with literal, plain byte strings).

        Raises:
            PatternRefusedError: A pattern is not one that the library takes.
        """
        count = len(patterns)
        expressions = (ctypes.c_char_p * count)(*(p.expression for p in patterns))
        flags = (ctypes.c_uint * count)(*(p.flags for p in patterns))
        numbers = (ctypes.c_uint * count)(*(p.number for p in patterns))
        handle = ctypes.c_void_p()
        error = ctypes.POINTER(_CompileErrorStruct)()
        tail = (_MODE_VECTORED, None, ctypes.byref(handle), ctypes.byref(error))
        if literal:
            lengths = (ctypes.c_size_t * count)(*(len(p.expression) for p in patterns))
            status = library.hs_compile_lit_multi(expressions, flags, numbers, lengths, count, *tail)
        else:
            status = library.hs_compile_multi(expressions, flags, numbers, count, *tail)
        if status != _SUCCESS:
            message, index = error.contents.message.decode(), error.contents.expression
            library.hs_free_compile_error(error)
            raise PatternRefusedError(message, index)
        return cls(library, handle)

    @classmethod
    def deserialize(cls, library: ctypes.CDLL, data: bytes) -> Database | None:
        """The database that serialize() wrote; None when it is of another version, platform or broken."""
        handle = ctypes.c_void_p()
        status = library.hs_deserialize_database(data, ctypes.c_size_t(len(data)), ctypes.byref(handle))
        return cls(library, handle) if status == _SUCCESS else None

    def serialize(self) -> bytes:
        """The database as bytes."""
        data, length = ctypes.POINTER(ctypes.c_char)(), ctypes.c_size_t()
        if self._library.hs_serialize_database(self.handle, ctypes.byref(data), ctypes.byref(length)) != _SUCCESS:
            raise MemoryError("libhs cannot serialize its database")
        try:
            return ctypes.string_at(data, length.value)
        finally:
            libc_free = ctypes.CDLL(None).free
            libc_free.argtypes = [ctypes.c_void_p]
            libc_free(data)

    def __del__(self) -> None:
        self._library.hs_free_database(self.handle)


class Searcher:
    """Searches blocks for a database's patterns; one for each thread, as libhs's scratch space demands."""

    def __init__(self, library: ctypes.CDLL, database: Database) -> None:
        self._library = library
        self._database = database
        self._scratch = ctypes.c_void_p()
        if library.hs_alloc_scratch(database.handle, ctypes.byref(self._scratch)) != _SUCCESS:
            raise MemoryError("libhs cannot allocate its scratch space")
        self._hits: list[tuple[int, int]] = []
        # By number: where the last hit was, and the last one kept.
        self._last: dict[int, tuple[int, int]] = {}
        append, last = self._hits.append, self._last

        def on_match(number: int, _start: int, end: int, _flags: int, _context: object) -> bool:
            before, kept = last.get(number, (-1, -1))
            if before == end - 1 and end - kept < RUN:
                last[number] = (end, kept)
                return False
            last[number] = (end, end)
            append((end, number))
            return False

        self._on_match = _ON_MATCH(on_match)

    def search(self, address: int, length: int) -> list[tuple[int, int]]:
        """The hits in the text at an address, as (end, number); the list is the next search's as well."""
        self._hits.clear()
        self._last.clear()
        piece, size = ctypes.c_void_p(address), ctypes.c_uint(length)
        status = self._library.hs_scan_vector(
            *(self._database.handle, ctypes.byref(piece), ctypes.byref(size), 1, 0),
            *(self._scratch, self._on_match, None),
        )
        if status != _SUCCESS:
            raise RuntimeError(f"libhs stopped with status {status}")
        return self._hits

    def __del__(self) -> None:
        self._library.hs_free_scratch(self._scratch)
