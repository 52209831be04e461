# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tar archives read as they arrive: names, kinds, sizes, and each file's bytes on request.

The standard library's reader takes several times as long and keeps every header; a layer may have 100 000.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import NotTarError
from .bytestream import ByteStream

BLOCK = 512
_EMPTY = bytes(BLOCK)
# Names and PAX headers are short; what claims to be longer is not a tar archive that an engine wrote.
_LONGEST_HEADER = 1 << 20
_LONGEST_PATH = 4096
_LONGEST_NUMBER = 19
_PAX_KEYS = frozenset(("path", "linkpath", "size", "GNU.sparse.name", "GNU.sparse.realsize", "GNU.sparse.size"))
_LINKS = b"123456"


class Entry(NamedTuple):
    """One member. Its bytes are the next `size` ones of the stream while it is the current one."""

    path: bytes
    kind: bytes
    size: int
    link: bytes
    body: ByteStream

    @property
    def is_file(self) -> bool:
        return self.kind == b"0"

    @property
    def is_symlink(self) -> bool:
        return self.kind == b"2"

    @property
    def is_directory(self) -> bool:
        return self.kind == b"5"


def entries(stream: ByteStream) -> Iterator[Entry]:
    """The members in order. What the caller leaves unread of a member is skipped.

    Raises:
        NotTarError: A header does not add up.
        ShortStreamError: The archive ends in the middle of a member, or without an end mark.
    """
    extra: dict[str, bytes] = {}
    everywhere: dict[str, bytes] = {}
    while True:
        header = stream.take(BLOCK)
        if header == _EMPTY:
            stream.drain()
            return
        kind, size = header[156:157], _number(header[124:136])
        _check(header)
        if kind in b"LKxg":
            _read_extension(stream, kind, size, everywhere if kind == b"g" else extra)
            continue
        records = {**everywhere, **extra} if everywhere else extra
        size, logical = _sizes(kind, size, records)
        if kind == b"S":
            logical = _old_sparse(header, stream)
        path = records.get("GNU.sparse.name") or records.get("path") or _path(header)
        body = ByteStream(stream.portions(size))
        if kind in b"\x007S":
            # A directory of the oldest tars is a file whose name ends in a slash.
            kind = b"5" if path.endswith(b"/") and kind == b"\0" else b"0"
        link = records.get("linkpath") or header[157:257].split(b"\0", 1)[0]
        if max(len(path), len(link)) > _LONGEST_PATH:
            raise NotTarError
        yield Entry(path, kind, logical, link, body)
        body.drain()
        stream.skip(-size % BLOCK)
        extra = {}


def _sizes(kind: bytes, size: int, records: dict[str, bytes]) -> tuple[int, int]:
    """Bytes in the archive and bytes of the file; they differ only for sparse files."""
    if kind in _LINKS:
        return 0, 0
    if "size" in records:
        size = _decimal(records["size"])
    real = records.get("GNU.sparse.realsize") or records.get("GNU.sparse.size")
    return size, _decimal(real) if real else size


def _old_sparse(header: bytes, stream: ByteStream) -> int:
    """The size of a file with holes as GNU wrote it before PAX; its map may go on in blocks of its own."""
    more = header[482]
    while more:
        more = stream.take(BLOCK)[504]
    return _number(header[483:495])


def _path(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0" and header[345] != 0:
        return header[345:500].split(b"\0", 1)[0] + b"/" + name
    return name


def _read_extension(stream: ByteStream, kind: bytes, size: int, into: dict[str, bytes]) -> None:
    """GNU's long names (L, K) and PAX records (x, g), which speak of the member that follows."""
    if size > _LONGEST_HEADER:
        raise NotTarError
    data = stream.take(size)
    stream.skip(-size % BLOCK)
    if kind in b"LK":
        into["path" if kind == b"L" else "linkpath"] = data.split(b"\0", 1)[0]
        return
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + _LONGEST_NUMBER + 1)
        length = _decimal(data[at:space]) if space > at else 0
        if space < at or not space - at < length <= len(data) - at:
            raise NotTarError
        key, _equals, value = data[space + 1 : at + length - 1].partition(b"=")
        if (name := key.decode("utf-8", "replace")) in _PAX_KEYS:
            into[name] = value
        at += length


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise NotTarError
    return int(text)


def _number(field: bytes) -> int:
    """Octal digits, or GNU's big-endian form for what is too large for them."""
    if field[0] & 0x80:
        return int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1))
    digits = field.strip(b" \0") or b"0"
    if digits.strip(b"01234567"):
        raise NotTarError
    return int(digits, 8)


def _check(header: bytes) -> None:
    """The checksum field itself counts as spaces; some old tars sum signed bytes, no engine does."""
    if sum(header) - sum(header[148:156]) + 256 != _number(header[148:156]):
        raise NotTarError
