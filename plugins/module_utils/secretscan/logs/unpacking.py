# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes a log out of what it was packed in: gzip, bzip2, xz, zip, Zstandard, and the two bytes a letter of UTF-16.

Whatever the file, a piece is of bounded size, and so is the memory that it takes to make it.
"""

from __future__ import annotations

import codecs
import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from ...errors import NotUnpackedError

Unpack = Callable[[BinaryIO], Iterator[bytes]]

_CHUNK = 1 << 16
_MOST_MEMORY = 1 << 26
# So many of a file's first bytes tell what it is.
TELLING = 64


# What is not the form that its first bytes promise, or is cut off.
FAULTS = (NotUnpackedError, zlib.error, EOFError, ValueError, OSError, RuntimeError, NotImplementedError)


def of(head: bytes) -> Unpack | None:
    """How to unpack a file that begins so; None for a plain one."""
    for magic, unpack in _BY_MAGIC.items():
        if head.startswith(magic):
            return unpack
    # Without a mark at its beginning, UTF-16 of any Western log has every other byte zero.
    pairs = len(head) // 2
    if pairs >= 8:
        for place, name in ((1, "utf-16-le"), (0, "utf-16-be")):
            if head[place::2].count(0) >= pairs - 2 and head[1 - place :: 2].count(0) == 0:
                return _utf16(name)
    return None


def _gzip(file: BinaryIO) -> Iterator[bytes]:
    unzip = zlib.decompressobj(wbits=31)
    while source := unzip.unconsumed_tail or unzip.unused_data or file.read(_CHUNK):
        if unzip.eof:
            unzip = zlib.decompressobj(wbits=31)
        if piece := unzip.decompress(source, _CHUNK):
            yield piece
    if not unzip.eof:
        raise NotUnpackedError("it is cut off")


def _by_decompressor(module: str, name: str, **options: Any) -> Unpack:
    """With a class of the standard library, imported only when it is needed; not every Python has it."""

    def unpack(file: BinaryIO) -> Iterator[bytes]:
        try:
            library = importlib.import_module(module)
        except ImportError as error:
            raise NotUnpackedError(f"this host's Python has no {module}") from error
        failure = getattr(library, "LZMAError", EOFError)
        unzip = None
        while True:
            rest = b""
            if unzip is None or unzip.eof:
                rest = (unzip.unused_data if unzip else b"") or file.read(_CHUNK)
                if not rest:
                    return
                unzip = getattr(library, name)(**options)
            elif unzip.needs_input:
                rest = file.read(_CHUNK)
                if not rest:
                    raise NotUnpackedError("it is cut off")
            try:
                piece = unzip.decompress(rest, _CHUNK)
            except failure as error:
                raise NotUnpackedError(str(error)) from error
            if piece:
                yield piece

    return unpack


def _zip(file: BinaryIO) -> Iterator[bytes]:
    # As slow to import as a few megabytes to scan.
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                with archive.open(member) as content:
                    while piece := content.read(_CHUNK):
                        yield piece
                yield b"\n"
    except zipfile.BadZipFile as error:
        raise NotUnpackedError(str(error)) from error


def _zstd(file: BinaryIO) -> Iterator[bytes]:
    import subprocess

    try:
        process = subprocess.Popen(
            ["zstd", "-dcq"], stdin=file.fileno(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise NotUnpackedError("it is packed with zstd, which this host has not") from error
    with process:
        while process.stdout and (piece := process.stdout.read(_CHUNK)):
            yield piece
    if process.returncode:
        raise NotUnpackedError("zstd cannot unpack it")


def _utf16(name: str) -> Unpack:
    def unpack(file: BinaryIO) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(name)("replace")
        while piece := file.read(_CHUNK):
            yield decoder.decode(piece).encode("utf-8", "replace")

    return unpack


def _unknown(name: str) -> Unpack:
    def unpack(_file: BinaryIO) -> Iterator[bytes]:
        raise NotUnpackedError(f"it is {name}")
        yield b""

    return unpack


_BY_MAGIC: dict[bytes, Unpack] = {
    b"\x1f\x8b": _gzip,
    b"BZh": _by_decompressor("bz2", "BZ2Decompressor"),
    b"\xfd7zXZ\0": _by_decompressor("lzma", "LZMADecompressor", memlimit=_MOST_MEMORY),
    b"PK\x03\x04": _zip,
    b"\x28\xb5\x2f\xfd": _zstd,
    b"\xff\xfe": _utf16("utf-16"),
    b"\xfe\xff": _utf16("utf-16"),
    b"\x04\x22\x4d\x18": _unknown("packed with lz4"),
    b"\x1f\x9d": _unknown("packed with compress"),
    b"7z\xbc\xaf\x27\x1c": _unknown("a 7z archive"),
    b"Rar!": _unknown("a rar archive"),
}
